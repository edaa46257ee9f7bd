#!/usr/bin/env bash
# start.sh build: builds Mimir, once.
# start.sh DIR: starts one that keeps its data in DIR, on free ports of 127.0.0.1, and prints when it is ready:
#   PID=...  PUSH=url (remote write)  OTLP_HTTP=url (…/v1/metrics)  QUERY=url (/api/v1/query?query=)
# End it with SIGKILL to PID: it takes long to flush what nobody wants. What it logs is in DIR/mimir.log.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
build github.com/grafana/mimir v1.3.1-0.20260423142704-aced80d74930 cmd/mimir
[ "$1" != build ] || exit 0
mkdir -p "$1"
MIMIR_DATA=$(realpath "$1")
export MIMIR_DATA
ports MIMIR_HTTP_PORT MIMIR_GRPC_PORT MIMIR_GOSSIP_PORT
url=http://127.0.0.1:$MIMIR_HTTP_PORT
launch "$MIMIR_DATA/mimir.log" "$url/ready" -config.file="$real/mimir/mimir.yaml" -config.expand-env=true
printf '%s\n' "PUSH=$url/api/v1/push" "OTLP_HTTP=$url/otlp" "QUERY=$url/prometheus"
