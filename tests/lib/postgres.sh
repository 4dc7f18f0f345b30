# A private Postgres: where is it, and how does it start?

# fsync=off loses commits when the machine stops, never when a process is killed: what the tests
# kill is the service, the broker and the database, and the kernel keeps what those wrote.
postgres_durability=(-c fsync=off -c full_page_writes=off)

# start_postgres DIRECTORY: sets postgres_process, postgres_port.
start_postgres() {
  local dir=$1 bin
  bin=$(postgres_bin)
  postgres_port=$(free_port)
  mkdir -p "$dir"
  as_postgres_user_owns "$dir"
  unprivileged "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync \
    >"$dir/initdb.log" 2>&1 </dev/null || { cat "$dir/initdb.log" >&2; die "initdb failed"; }
  launch "$dir/postgres.log" unprivileged_exec "$bin/postgres" -D "$dir/data" -p "$postgres_port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories="$dir" -c max_connections=300 \
    "${postgres_durability[@]}" -c autovacuum_naptime=5s
  postgres_process=$launched
}

postgres_ready() { "$(postgres_bin)/pg_isready" -q -h 127.0.0.1 -p "$postgres_port"; }

await_postgres() { wait_until 60 "$postgres_process" "$1/postgres.log" postgres_ready; }

# Postgres refuses to run as root.
as_postgres_user_owns() { if [[ $EUID -eq 0 ]]; then chown postgres:postgres "$1"; fi; }

unprivileged() {
  if [[ $EUID -eq 0 ]]; then (unprivileged_exec "$@"); else "$@"; fi
}

unprivileged_exec() {
  cd /
  if [[ $EUID -eq 0 ]]; then
    exec setsid setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
  fi
  exec setsid "$@"
}
