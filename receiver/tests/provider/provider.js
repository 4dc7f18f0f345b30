// The provider as it is, with the clients it is told of on the command line: a port, and JSON with an array
// of client registrations. Says on standard output when it listens, and what came of each logout.
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, clients] = [Number(process.argv[2]), JSON.parse(process.argv[3])];
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients,
  jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "test" }] },
  cookies: { keys: ["for tests"] },
  features: { backchannelLogout: { enabled: true }, revocation: { enabled: true } },
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
  findAccount: async (ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  // Its guard against private addresses stands in the way of receivers on loopback.
  fetch: (url, options) => fetch(url, { ...options, dispatcher: undefined }),
});

provider.on("backchannel.success", (ctx, client) => console.log(`logout delivered to ${client.clientId}`));
provider.on("backchannel.error", (ctx, error, client) => console.log(`logout refused by ${client.clientId}: ${error}`));
provider.on("server_error", (ctx, error) => console.log(`error: ${error}`));
provider.use(async (ctx, next) => {
  await next();
  if (ctx.path === "/token/revocation") console.log(`asked to revoke: ${ctx.status}`);
});
provider.listen(port, "127.0.0.1", () => console.log("listening"));
