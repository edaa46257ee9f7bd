#!/usr/bin/env bash
# up.sh DIR: builds Mimir if it is not in the cache, runs it with DIR as its store on a free port of the loopback
# interface, and prints `PID PORT` when it is ready. The caller ends the process.
set -euo pipefail
version=v1.3.1-0.20260423142704-aced80d74930
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otelcol-asterisk
bin=$cache/bin/mimir-$version
if [ ! -x "$bin/mimir" ]; then
  command -v go >/dev/null || { echo "no go toolchain to build Mimir with" >&2; exit 1; }
  mkdir -p "$bin" "$cache/build"
  exec 9>"$cache/lock"
  flock 9
  # Its replaced modules count in its own folder only: a copy of the module is built, with its own go.mod and go.sum.
  export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off
  source=$(cd "$cache/build" && GOFLAGS= go mod download -json "github.com/grafana/mimir@$version" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  rm -rf "$cache/build/mimir"
  cp -r "$source" "$cache/build/mimir"
  chmod -R u+w "$cache/build/mimir"
  (cd "$cache/build/mimir" && go build -trimpath -ldflags '-s -w' -o "$bin/mimir" ./cmd/mimir) >&2
fi
[ "${1:-}" ] || exit 0
dir=$1
mkdir -p "$dir"
# Mimir does not say which port the kernel gave it: one that is free now is named.
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
http=$(free) grpc=$(free) gossip=$(free)
cat >"$dir/mimir.yaml" <<YAML
target: all
multitenancy_enabled: true
usage_stats: {enabled: false}
server: {http_listen_address: 127.0.0.1, http_listen_port: $http, grpc_listen_address: 127.0.0.1, grpc_listen_port: $grpc, log_level: warn}
common: {storage: {backend: filesystem, filesystem: {dir: $dir/common}}}
blocks_storage: {storage_prefix: blocks, tsdb: {dir: $dir/tsdb}, bucket_store: {sync_dir: $dir/sync}}
activity_tracker: {filepath: $dir/activity.log}
memberlist: {bind_addr: [127.0.0.1], bind_port: $gossip, abort_if_cluster_join_fails: false}
compactor: {data_dir: $dir/compactor, sharding_ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}}
distributor: {ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}}
ingester: {ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}, replication_factor: 1, min_ready_duration: 0s, final_sleep: 0s}}
store_gateway: {sharding_ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}, replication_factor: 1}}
ruler: {rule_path: $dir/rules, ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}}
query_scheduler: {ring: {instance_addr: 127.0.0.1, kvstore: {store: inmemory}}}
frontend: {address: 127.0.0.1}
limits: {native_histograms_ingestion_enabled: true, max_global_exemplars_per_user: 1000, out_of_order_time_window: 1h}
YAML
"$bin/mimir" -config.file="$dir/mimir.yaml" </dev/null >"$dir/log" 2>&1 &
pid=$!
for _ in $(seq 400); do
  if curl -fs "127.0.0.1:$http/ready" >/dev/null; then
    echo "$pid $http"
    exit 0
  fi
  kill -0 $pid 2>/dev/null || break
  sleep 0.05
done
cat "$dir/log" >&2
kill -9 $pid 2>/dev/null || true
exit 1
