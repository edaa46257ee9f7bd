#!/usr/bin/env bash
# start.sh build: builds Loki, once.
# start.sh DIR: starts one that keeps its data in DIR, on free ports of 127.0.0.1, and prints when it is ready:
#   PID=...  PUSH=url  OTLP_HTTP=url (…/v1/logs)  QUERY=url (/loki/api/v1/query_range?query=)
# End it with SIGKILL to PID: it takes long to flush what nobody wants. What it logs is in DIR/loki.log.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# Loki takes its client library from its own repository, which the module does not hold; this is the same commit.
push=github.com/grafana/loki/pkg/push
program=$("$here/../go-program.sh" github.com/grafana/loki/v3 v3.7.8 cmd/loki \
  "-dropreplace=$push" "-require=$push@v0.0.0-20250630054201-94c0ba7b0952")
[ "$1" != build ] || exit 0
mkdir -p "$1"
LOKI_DATA=$(realpath "$1")
read -r LOKI_HTTP_PORT LOKI_GRPC_PORT < <(python3 "$here/../free_ports.py" 2)
export LOKI_DATA LOKI_HTTP_PORT LOKI_GRPC_PORT
"$program" -config.file="$here/loki.yaml" -config.expand-env=true </dev/null >"$LOKI_DATA/loki.log" 2>&1 &
pid=$!
url=http://127.0.0.1:$LOKI_HTTP_PORT
for _ in $(seq 600); do
  if curl -fs "$url/ready" >/dev/null; then
    printf '%s\n' "PID=$pid" "PUSH=$url/loki/api/v1/push" "OTLP_HTTP=$url/otlp" "QUERY=$url"
    exit 0
  fi
  kill -0 $pid 2>/dev/null || break
  sleep 0.1
done
cat "$LOKI_DATA/loki.log" >&2
kill -9 $pid 2>/dev/null || true
exit 1
