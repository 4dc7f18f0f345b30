# Which processes are ours, and how do they end? By recorded pid and start time, never by name.

# Prints pid:starttime, which no later process with the same pid has.
identity() { echo "$1:$(started_at "$1")"; }

started_at() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
  stat=${stat##*) }
  # shellcheck disable=SC2086 # the fields after the command's name
  set -- $stat
  # $1 is the third field of proc(5), the state; the start time is the twenty-second.
  if [[ "$1" != Z ]]; then echo "${20}"; fi
}

alive() {
  local now
  now=$(started_at "${1%%:*}")
  [[ -n "$now" && "$now" == "${1##*:}" ]]
}

# stop SIGNAL SECONDS IDENTITY: asks, waits until it is gone, then kills.
stop() {
  alive "$3" || return 0
  kill -s "$1" "${3%%:*}" 2>/dev/null || true
  until_gone "$2" "$3" && return 0
  kill -s KILL "${3%%:*}" 2>/dev/null || true
  until_gone 10 "$3" || say "process ${3%%:*} does not end"
}

until_gone() {
  local tries=$(($1 * 20))
  while alive "$2"; do
    ((tries-- > 0)) || return 1
    sleep 0.05
  done
}

# Children of what we start carry a mark in their environment, NAME=value: the services and second
# brokers of a test that was killed, the helpers of a broker that was stopped while it started.
marked() {
  local environ
  for environ in /proc/[0-9]*/environ; do
    if grep -qzxF "$1" "$environ" 2>/dev/null; then
      environ=${environ#/proc/}
      echo "${environ%/environ}"
    fi
  done
}

stop_marked() {
  local pid
  for pid in $(marked "$1"); do
    stop KILL 1 "$(identity "$pid")"
  done
}

# A port nobody listens on, below the range that outgoing connections take theirs from.
free_port() {
  local port
  while port=$((10000 + (RANDOM * 32768 + RANDOM) % 22000)); do
    if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

# wait_until SECONDS IDENTITY LOG COMMAND…: until the command holds; fails with the log.
wait_until() {
  local tries=$(($1 * 10)) process=$2 log=$3
  shift 3
  until "$@"; do
    if ! alive "$process" || ((tries-- <= 0)); then
      tail -n 40 "$log" >&2
      die "not ready: $*"
    fi
    sleep 0.1
  done
}
