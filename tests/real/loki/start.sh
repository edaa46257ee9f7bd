#!/usr/bin/env bash
# start.sh build: builds Loki, once.
# start.sh DIR: starts one that keeps its data in DIR, on free ports of 127.0.0.1, and prints when it is ready:
#   PID=...  PUSH=url  OTLP_HTTP=url (…/v1/logs)  QUERY=url (/loki/api/v1/query_range?query=)
# End it with SIGKILL to PID: it takes long to flush what nobody wants. What it logs is in DIR/loki.log.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
# Loki takes its client library from its own repository, which the module does not hold; this is the same commit.
push=github.com/grafana/loki/pkg/push
build github.com/grafana/loki/v3 v3.7.8 cmd/loki \
  "-dropreplace=$push" "-require=$push@v0.0.0-20250630054201-94c0ba7b0952"
[ "$1" != build ] || exit 0
mkdir -p "$1"
LOKI_DATA=$(realpath "$1")
export LOKI_DATA
ports LOKI_HTTP_PORT LOKI_GRPC_PORT
url=http://127.0.0.1:$LOKI_HTTP_PORT
launch "$LOKI_DATA/loki.log" "$url/ready" -config.file="$real/loki/loki.yaml" -config.expand-env=true
printf '%s\n' "PUSH=$url/loki/api/v1/push" "OTLP_HTTP=$url/otlp" "QUERY=$url"
