# What must be on the machine, and how does it get there? Sourced by tests/run and .ci/run.
# Debian packages are installed only when missing, only as root; no service is started. What comes from PyPI goes
# below the target directory.

readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_SAVED=/usr/sbin/policy-rc.d.before-signoff-tests
readonly INSTALL_LOCK=/tmp/signoff-tests-install.lock
readonly REQUIREMENTS=tests/lib/requirements.txt

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

say() { echo "-- $*"; }

require_cargo() {
  command -v cargo >/dev/null || PATH="$HOME/.cargo/bin:$PATH"
  command -v cargo >/dev/null || die "cargo is missing: install Rust from https://rustup.rs"
}

rabbitmq_server() { ls /usr/lib/rabbitmq/bin/rabbitmq-server 2>/dev/null || true; }

postgres_bin() {
  local newest
  newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) || true
  if [[ -x "$newest/initdb" ]]; then echo "$newest"; fi
}

# The variant for programs with threads.
faketime_library() { ls /usr/lib/*/faketime/libfaketimeMT.so.1 2>/dev/null | head -n 1 || true; }

python_with_pika() {
  if /usr/bin/python3 -c 'import pika' 2>/dev/null; then echo /usr/bin/python3; fi
}

prometheus_server() { command -v prometheus || true; }

kubectl_program() { command -v kubectl || true; }

test_venv_place() { realpath -m "${CARGO_TARGET_DIR:-target}/test-venv"; }

# A virtual environment cannot be moved: it is made again at another place, as for other requirements.
test_venv_made_from() { test_venv_place && cat "$REQUIREMENTS"; }

# The virtual environment with what the requirements list, if it is made.
test_venv() {
  if test_venv_made_from | cmp -s - "$(test_venv_place)/made-from.txt"; then test_venv_place; fi
}

redis_server() { command -v redis-server || true; }

chromium_driver() { command -v chromedriver || true; }

node_with_npm() {
  command -v npm >/dev/null || return 0
  if node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null; then command -v node; fi
}

readonly PROVIDER=receiver/tests/provider

# The folder of the OpenID provider that the receiver's tests sign in at, if its modules are there.
provider_folder() {
  if [[ -n "$(node_with_npm)" && -e "$PROVIDER/node_modules/.package-lock.json" ]]; then echo "$PWD/$PROVIDER"; fi
}

# As its lock file says, once.
install_provider() {
  [[ "$PROVIDER/node_modules/.package-lock.json" -nt "$PROVIDER/package-lock.json" ]] && return
  if [[ -z "$(node_with_npm)" ]]; then
    say "node is older than 20: the tests with a real provider are not run (https://nodejs.org)"
    return
  fi
  say "installing the modules of $PROVIDER"
  (cd "$PROVIDER" && npm ci --no-audit --no-fund >/dev/null) || die "npm ci failed in $PROVIDER"
}

missing_for_build() {
  command -v cc >/dev/null && command -v make >/dev/null || echo build-essential
  [[ -s /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

missing_for_tests() {
  missing_for_build
  [[ -n "$(postgres_bin)" ]] || echo postgresql
  [[ -n "$(rabbitmq_server)" ]] || echo rabbitmq-server
  [[ -n "$(redis_server)" ]] || echo redis-server
  [[ -n "$(python_with_pika)" ]] || echo python3-pika
  [[ -n "$(prometheus_server)" ]] || echo prometheus
  [[ -n "$(faketime_library)" ]] || echo libfaketime
  [[ -n "$(kubectl_program)" ]] || echo kubernetes-client
  /usr/bin/python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  [[ -n "$(chromium_driver)" ]] || echo chromium chromium-driver
  command -v node >/dev/null && command -v npm >/dev/null || echo nodejs npm
}

# $1: a function that prints the packages that are missing.
install_missing() {
  local missing
  missing=$("$1" | xargs)
  [[ -z "$missing" ]] && return
  [[ $EUID -eq 0 ]] || die "as root: apt-get install --no-install-recommends $missing"
  command -v apt-get >/dev/null || die "please install: $missing"
  (
    flock 9
    missing=$("$1" | xargs)
    [[ -z "$missing" ]] || apt_install "$missing"
  ) 9>"$INSTALL_LOCK"
}

make_test_venv() {
  [[ -z "$(test_venv)" ]] || return 0
  (
    flock 9
    [[ -z "$(test_venv)" ]] || return 0
    say "installing what $REQUIREMENTS lists"
    local venv
    venv=$(test_venv_place)
    rm -rf "$venv"
    mkdir -p "$(dirname "$venv")"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check --no-deps -r "$REQUIREMENTS"
    test_venv_made_from >"$venv/made-from.txt"
  ) 9>"$INSTALL_LOCK"
}

# Runs in a subshell of its own: its trap puts the policy back whatever happens.
apt_install() {
  say "installing $1"
  trap restore_policy EXIT
  trap 'exit 143' INT TERM
  forbid_services
  local log
  log=$(mktemp)
  apt_get "$log" update
  # shellcheck disable=SC2086 # a list of words
  apt_get "$log" install -y --no-install-recommends $1
  rm -f "$log"
}

apt_get() {
  local log=$1
  shift
  DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null && return
  cat "$log" >&2
  die "apt-get $1 failed"
}

forbid_services() {
  # A saved policy from a run that was killed is the original: it is not overwritten.
  if [[ -e "$POLICY" && ! -e "$POLICY_SAVED" ]]; then mv "$POLICY" "$POLICY_SAVED"; fi
  printf '#!/bin/sh\nexit 101\n' >"$POLICY"
  chmod 755 "$POLICY"
}

restore_policy() {
  rm -f "$POLICY"
  if [[ -e "$POLICY_SAVED" ]]; then mv "$POLICY_SAVED" "$POLICY"; fi
}
