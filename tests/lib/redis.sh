# A private Redis: where is it, and how does it start?

# start_redis DIRECTORY: sets redis_process, redis_port. Nothing is kept on disk.
start_redis() {
  local dir=$1
  mkdir -p "$dir"
  redis_port=$(free_port)
  launch "$dir/redis.log" redis_exec "$dir" --bind 127.0.0.1 --port "$redis_port" --dir "$dir" \
    --save '' --appendonly no --daemonize no --maxmemory-policy noeviction
  redis_process=$launched
}

redis_exec() {
  cd "$1"
  exec setsid "$(redis_server)" "${@:2}"
}

redis_ready() {
  local answer
  exec 7<>"/dev/tcp/127.0.0.1/$redis_port" || return 1
  printf 'PING\r\n' >&7
  read -r -t 10 answer <&7 || answer=none
  exec 7>&-
  [[ "$answer" == +PONG* ]]
} 2>/dev/null

await_redis() { wait_until 60 "$redis_process" "$1/redis.log" redis_ready; }
