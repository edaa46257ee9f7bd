#!/usr/bin/env bash
# start.sh build: builds Jaeger, once.
# start.sh DIR: starts one that keeps everything in memory, on free ports of 127.0.0.1, and prints when it is ready:
#   PID=...  OTLP_GRPC=host:port  OTLP_HTTP=url  QUERY=url (/api/services, /api/traces?service=)
# End it with a signal to PID. What it logs is in DIR/jaeger.log.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
build github.com/jaegertracing/jaeger v1.76.0 cmd/jaeger
[ "$1" != build ] || exit 0
mkdir -p "$1"
ports OTLP_GRPC_PORT OTLP_HTTP_PORT QUERY_PORT QUERY_GRPC_PORT HEALTH_PORT
query=http://127.0.0.1:$QUERY_PORT
launch "$1/jaeger.log" "$query/api/services" --config "$real/jaeger/jaeger.yaml"
printf '%s\n' "OTLP_GRPC=127.0.0.1:$OTLP_GRPC_PORT" "OTLP_HTTP=http://127.0.0.1:$OTLP_HTTP_PORT" "QUERY=$query"
