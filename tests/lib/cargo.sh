# How are the tests run and counted?

cargo_test() { cargo test --workspace --all-features --no-fail-fast "$@"; }

# Tests whose module needs something an outside instance does not give.
choose_skips() {
  skips=()
  [[ -n "${SIGNOFF_TEST_RABBITMQ_SERVER:-}" ]] || skips+=(broker_restart:: amqps::)
  [[ -n "${SIGNOFF_TEST_REDIS_URL:-}" ]] || skips+=(redis::)
  [[ -n "${SIGNOFF_TEST_RABBITMQ_SERVER:-}" && -n "${SIGNOFF_TEST_POSTGRES_BIN:-}" && -n "${SIGNOFF_TEST_FAKETIME:-}" ]] ||
    skips+=(faults::nothing_is_lost harness::a_private_postgres)
  [[ -n "${SIGNOFF_TEST_PYTHON:-}" ]] || skips+=(python_publisher::)
  [[ -n "${SIGNOFF_TEST_PROMETHEUS:-}" ]] || skips+=(monitoring::)
  [[ -n "${SIGNOFF_TEST_VENV:-}" ]] || skips+=(deploy::compose:: deploy::lint::)
  [[ -n "${SIGNOFF_TEST_VENV:-}" && -n "${SIGNOFF_TEST_KUBECTL:-}" ]] || skips+=(deploy::kubernetes::)
  [[ -n "${SIGNOFF_TEST_PROVIDER:-}" ]] || skips+=(examples::provider::)
  [[ -n "${SIGNOFF_TEST_CHROMEDRIVER:-}" ]] || skips+=(examples::browser::)
}

# Arguments for the test binaries, after those of the caller.
with_binary_arguments() {
  local -a extra=("${@:2:$1}") given=("${@:$1+2}")
  local word separator=(--)
  for word in "${given[@]}"; do
    if [[ "$word" == -- ]]; then separator=(); fi
  done
  cargo_test "${given[@]}" "${separator[@]}" "${extra[@]}"
}

# Prints the names of the tests that this run leaves out.
list_not_run() {
  local skip
  ((${#skips[@]})) || return 0
  for skip in "${skips[@]}"; do
    with_binary_arguments 1 --list "$@" 2>/dev/null </dev/null | sed -n "s/^\(.*$skip.*\): test\$/\1/p" || true
  done
}

run_cargo() {
  local skip arguments=()
  for skip in ${skips[@]+"${skips[@]}"}; do arguments+=(--skip "$skip"); done
  if ((${#arguments[@]})); then
    with_binary_arguments "${#arguments[@]}" "${arguments[@]}" "$@"
  else
    cargo_test "$@"
  fi
}

# In the background, so that a signal to this script is heard at once.
run_tests() {
  local output=$1 status=0
  shift
  (
    trap - EXIT INT TERM
    export SIGNOFF_TEST_RUN=$run
    run_cargo "$@" 2>&1 | tee "$output"
  ) </dev/null &
  wait $! || status=$?
  return "$status"
}

# summarise OUTPUT NOT_RUN: one line from every result line of cargo.
summarise() {
  sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -v not_run="$2" '
    /^test result: / { passed += $4; failed += $6; skipped += $8 }
    END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped + not_run }'
}
