# A private RabbitMQ with its own epmd: where is it, and how does it start?

# start_rabbitmq DIRECTORY: sets rabbitmq_process, epmd_process, amqp_port, management_port.
start_rabbitmq() {
  local dir=$1 epmd_port
  mkdir -p "$dir/home"
  amqp_port=$(free_port)
  management_port=$(free_port)
  epmd_port=$(free_port)
  rabbitmq_configuration >"$dir/rabbitmq.conf"
  echo '[rabbitmq_management].' >"$dir/plugins"
  # Started here, so that its pid is known; otherwise the node starts one that outlives it.
  launch "$dir/epmd.log" exec setsid epmd -port "$epmd_port" -address 127.0.0.1
  epmd_process=$launched
  launch "$dir/rabbitmq.log" rabbitmq_exec "$dir" "$epmd_port" "$(free_port)"
  rabbitmq_process=$launched
}

rabbitmq_configuration() {
  cat <<-CONF
	listeners.tcp.1 = 127.0.0.1:$amqp_port
	management.tcp.ip = 127.0.0.1
	management.tcp.port = $management_port
	collect_statistics_interval = 1000
	loopback_users = none
	log.console = true
	log.console.level = warning
	log.file = false
	CONF
}

# RUNNING_UNDER_SYSTEMD makes the script become the node, so that its pid is the node's.
rabbitmq_exec() {
  cd "$1"
  exec setsid env HOME="$1/home" RUNNING_UNDER_SYSTEMD=true RABBITMQ_CONF_ENV_FILE=/dev/null \
    RABBITMQ_NODENAME="signoff$2@localhost" RABBITMQ_DIST_PORT="$3" \
    RABBITMQ_MNESIA_BASE="$1/data" RABBITMQ_LOG_BASE="$1/log" RABBITMQ_PID_FILE="$1/pid" \
    RABBITMQ_CONFIG_FILE="$1/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$1/plugins" \
    ERL_EPMD_PORT="$2" ERL_EPMD_ADDRESS=127.0.0.1 "$(rabbitmq_server)"
}

# The virtual hosts are up before the AMQP listener is.
rabbitmq_ready() {
  local status
  (: <>"/dev/tcp/127.0.0.1/$amqp_port") || return 1
  exec 8<>"/dev/tcp/127.0.0.1/$management_port" || return 1
  # guest:guest
  printf 'GET /api/health/checks/virtual-hosts HTTP/1.0\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n' >&8
  read -r -t 10 _ status _ <&8 || status=none
  exec 8>&-
  [[ "$status" == 200 ]]
} 2>/dev/null

await_rabbitmq() { wait_until 120 "$rabbitmq_process" "$1/rabbitmq.log" rabbitmq_ready; }
