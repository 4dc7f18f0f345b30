// Leaves the page when its session has ended. Put it into every page that shows what a session may see:
//   <script src="/session-events.js" data-events="/session-events" data-signed-out="/signed-out"></script>
// Without data-signed-out the page is loaded again. A listener for "signed-out" may prevent either.
(() => {
  const { events = "/session-events", signedOut } = document.currentScript.dataset;
  const source = new EventSource(events);
  source.addEventListener("signed-out", () => {
    source.close();
    if (!document.dispatchEvent(new CustomEvent("signed-out", { cancelable: true }))) return;
    signedOut ? location.replace(signedOut) : location.reload();
  });
  // Back from the history, a page is as it was left: it asks again.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
})();
