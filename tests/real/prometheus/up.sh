#!/usr/bin/env bash
# up.sh DIR: builds Prometheus if it is not in the cache, runs it with DIR as its store on a free port of the loopback
# interface, and prints `PID PORT` when it is ready. Remote write (1.0 and 2.0), OTLP, exemplars and native histograms
# are on. The caller ends the process.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
bin=$("$here/../go-build.sh" prometheus github.com/prometheus/prometheus@v0.313.3 github.com/prometheus/prometheus/cmd/prometheus)
mkdir -p "$dir"
cat >"$dir/prometheus.yml" <<YAML
global: {scrape_interval: 1s}
storage: {exemplars: {max_exemplars: 10000}, tsdb: {out_of_order_time_window: 1h}}
scrape_configs: ${SCRAPE_CONFIGS:-[]}
YAML
# Port 0 is the kernel's choice; the log says which.
"$bin/prometheus" --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/data" --web.listen-address=127.0.0.1:0 \
  --web.enable-otlp-receiver --web.enable-remote-write-receiver --log.level=info --scrape.discovery-reload-interval=100ms \
  --web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest \
  --web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request \
  --enable-feature=exemplar-storage,metadata-wal-records </dev/null >"$dir/log" 2>&1 &
pid=$!
for _ in $(seq 200); do
  port=$(sed -n 's/.*msg="Listening on".* address=127.0.0.1:\([0-9]*\).*/\1/p' "$dir/log" | head -1)
  if [ -n "$port" ] && curl -fs "127.0.0.1:$port/-/ready" >/dev/null; then
    echo "$pid $port"
    exit 0
  fi
  kill -0 $pid 2>/dev/null || break
  sleep 0.05
done
cat "$dir/log" >&2
kill -9 $pid 2>/dev/null || true
exit 1
