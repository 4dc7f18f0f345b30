# The instances the tests run against: started, kept, found again, stopped.

# launch LOG COMMAND…: in the background, away from the terminal; sets launched.
launch() {
  local log=$1
  shift
  (
    trap - EXIT INT TERM
    export SIGNOFF_TEST_INSTANCES=$instances
    "$@"
  ) >"$log" 2>&1 </dev/null &
  launched=$(identity $!)
}

start_instances() {
  instances=$(mktemp -d "${TMPDIR:-/tmp}/signoff-tests.XXXXXX")
  chmod 755 "$instances"
  say "starting Postgres, RabbitMQ and Redis in $instances"
  start_rabbitmq "$instances/rabbitmq"
  start_postgres "$instances/postgres"
  start_redis "$instances/redis"
}

await_instances() {
  await_postgres "$instances/postgres"
  await_redis "$instances/redis"
  await_rabbitmq "$instances/rabbitmq"
}

stop_instances() {
  stop INT 20 "${postgres_process:-}"
  stop TERM 10 "${redis_process:-}"
  stop TERM 30 "${rabbitmq_process:-}"
  stop TERM 5 "${epmd_process:-}"
  if [[ -n "${instances:-}" ]]; then
    stop_marked "SIGNOFF_TEST_INSTANCES=$instances"
    rm -rf "$instances"
  fi
}

save_instances() {
  mkdir -p "$(dirname "$kept")"
  declare -p instances postgres_process postgres_port redis_process redis_port rabbitmq_process epmd_process amqp_port \
    management_port |
    sed 's/^declare -- //' >"$kept"
}

# Takes up what an earlier --keep left, if it is all still there.
find_instances() {
  [[ -f "$kept" ]] || return 1
  # shellcheck source=/dev/null
  source "$kept"
  if alive "$postgres_process" && alive "${redis_process:-}" && alive "$rabbitmq_process" && alive "$epmd_process"; then
    say "using the instances kept in $instances"
    return 0
  fi
  stop_kept
  return 1
}

stop_kept() {
  if [[ ! -f "$kept" ]]; then
    say "nothing is kept"
    return
  fi
  # shellcheck source=/dev/null
  source "$kept"
  stop_instances
  rm -f "$kept"
  say "stopped what was kept in $instances"
}

environment() {
  cat <<-EXPORTS
	export SIGNOFF_TEST_DATABASE_URL=postgres://postgres@127.0.0.1:$postgres_port/postgres
	export SIGNOFF_TEST_REDIS_URL=redis://127.0.0.1:$redis_port
	export SIGNOFF_TEST_AMQP_URL=amqp://guest:guest@127.0.0.1:$amqp_port/%2f
	export SIGNOFF_TEST_AMQP_MANAGEMENT_URL=http://guest:guest@127.0.0.1:$management_port
	export SIGNOFF_TEST_RABBITMQ_SERVER=$(rabbitmq_server)
	export SIGNOFF_TEST_POSTGRES_BIN=$(postgres_bin)
	export SIGNOFF_TEST_FAKETIME=$(faketime_library)
	export SIGNOFF_TEST_PYTHON=$(python_with_pika)
	export SIGNOFF_TEST_PROMETHEUS=$(prometheus_server)
	export SIGNOFF_TEST_KUBECTL=$(kubectl_program)
	export SIGNOFF_TEST_VENV=$(test_venv)
	export SIGNOFF_TEST_PROVIDER=$(provider_folder)
	export SIGNOFF_TEST_CHROMEDRIVER=$(chromium_driver)
	export SIGNOFF_TEST_REQUIRE=1
	EXPORTS
}
