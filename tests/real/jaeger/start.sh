#!/usr/bin/env bash
# start.sh build: builds Jaeger, once.
# start.sh DIR: starts one that keeps everything in memory, on free ports of 127.0.0.1, and prints when it is ready:
#   PID=...  OTLP_GRPC=host:port  OTLP_HTTP=url  QUERY=url (/api/services, /api/traces?service=)
# End it with a signal to PID. What it logs is in DIR/jaeger.log.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$("$here/../go-program.sh" github.com/jaegertracing/jaeger v1.76.0 cmd/jaeger)
[ "$1" != build ] || exit 0
mkdir -p "$1"
log=$(realpath "$1")/jaeger.log
read -r grpc http query query_grpc health < <(python3 "$here/../free_ports.py" 5)
export OTLP_GRPC_PORT=$grpc OTLP_HTTP_PORT=$http QUERY_PORT=$query QUERY_GRPC_PORT=$query_grpc HEALTH_PORT=$health
"$program" --config "$here/jaeger.yaml" </dev/null >"$log" 2>&1 &
pid=$!
for _ in $(seq 600); do
  if curl -fs "http://127.0.0.1:$query/api/services" >/dev/null; then
    printf '%s\n' "PID=$pid" "OTLP_GRPC=127.0.0.1:$grpc" "OTLP_HTTP=http://127.0.0.1:$http" "QUERY=http://127.0.0.1:$query"
    exit 0
  fi
  kill -0 $pid 2>/dev/null || break
  sleep 0.1
done
cat "$log" >&2
kill $pid 2>/dev/null || true
exit 1
