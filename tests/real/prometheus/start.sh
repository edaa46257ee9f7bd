#!/usr/bin/env bash
# start.sh build: builds Prometheus, once.
# start.sh DIR: starts one that keeps its data in DIR, on a free port of 127.0.0.1, and prints when it is ready:
#   PID=...  URL=url (…/api/v1/write, …/api/v1/otlp, …/api/v1/query?query=)
# Remote write (1.0 and 2.0), OTLP, exemplars and native histograms are on. SCRAPE_CONFIGS is what it scrapes, as YAML.
# End it with a signal to PID. What it logs is in DIR/log.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../launch.sh"
TAGS=remove_all_sd build github.com/prometheus/prometheus v0.313.3 cmd/prometheus
[ "$1" != build ] || exit 0
mkdir -p "$1"
cat >"$1/prometheus.yml" <<YAML
global: {scrape_interval: 1s}
storage: {exemplars: {max_exemplars: 10000}, tsdb: {out_of_order_time_window: 1h}}
scrape_configs: ${SCRAPE_CONFIGS:-[]}
YAML
ports PORT
url=http://127.0.0.1:$PORT
launch "$1/log" "$url/-/ready" --config.file="$1/prometheus.yml" --storage.tsdb.path="$1/data" \
  --web.listen-address="127.0.0.1:$PORT" --web.enable-otlp-receiver --web.enable-remote-write-receiver \
  --scrape.discovery-reload-interval=100ms \
  --web.remote-write-receiver.accepted-protobuf-messages=prometheus.WriteRequest \
  --web.remote-write-receiver.accepted-protobuf-messages=io.prometheus.write.v2.Request \
  --enable-feature=exemplar-storage,metadata-wal-records
echo "URL=$url"
