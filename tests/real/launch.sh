# Sourced by the launchers of servers: how they are built, get their ports, and are waited for.
real=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# build MODULE VERSION PACKAGE [GO-MOD-EDIT...]: sets `program`.
build() {
  program=$("$real/go-program.sh" "$@")
}

# ports NAME...: exports each as a port of 127.0.0.1 that was free a moment ago.
ports() {
  local found
  read -ra found < <(python3 "$real/free_ports.py" $#)
  for name in "$@"; do
    export "$name=${found[0]}"
    found=("${found[@]:1}")
  done
}

# launch LOG URL ARGUMENT...: starts the program, waits until URL answers, and prints PID=...
launch() {
  local log=$1 url=$2 pid
  "$program" "${@:3}" </dev/null >"$log" 2>&1 &
  pid=$!
  for _ in $(seq 600); do
    if curl -fs "$url" >/dev/null; then
      echo "PID=$pid"
      return
    fi
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  cat "$log" >&2
  kill -9 $pid 2>/dev/null || true
  exit 1
}
