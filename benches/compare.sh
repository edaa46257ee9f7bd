#!/usr/bin/env bash
# compare.sh [statsd] [statsd-rate] [otlp] [scrape] [idle] [ami]: the same load on this collector and on the Go collector, for ami on
# the guide's Python bridge, one after the other, several times; prints each measurement and then the ratios. Root: it makes a
# network namespace.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
export PEERS_HOME=${PEERS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/otelcol-asterisk-peers}
reps=${REPS:-3}
[ $# -gt 0 ] || set -- statsd statsd-rate otlp scrape idle
[ "$*" = ami ] || "$here/peers/build.sh" collector load >/dev/null
(cd "$root" && cargo build --release --quiet)
ours=${CARGO_TARGET_DIR:-$root/target}/release/otelcol-asterisk
go=$PEERS_HOME/bin/otelcol161
results=$PEERS_HOME/results
rm -rf "$results"; mkdir -p "$results"

both() { # test, config for us, config for Go, arguments...
  local test=$1 mine=$2 theirs=$3; shift 3
  "$here/measure.py" "$test" --name ours --cmd "$ours --config $mine" "$@"
  "$here/measure.py" "$test" --name go --cmd "$go --config $theirs" "$@"
}
beside_bridge() { # what we make of the events, our config
  local sink="$ours --config cfg/otlp-nop.yaml" bridge=${AMI_BRIDGE:?names the bridge, a Python file}
  "$here/measure.py" ami --made-of "$1" --name ours --cmd "$ours --config $2" --sink "$sink" --scrape
  "$here/measure.py" ami_open --made-of "$1" --name ours --cmd "$ours --config $2" --sink "$sink"
  "$here/measure.py" ami --made-of "$1" --name bridge --cmd "${AMI_BRIDGE_PYTHON:-python3} $bridge" --sink "$sink"
}
for what in "$@"; do
  for _ in $(seq "$reps"); do
    case $what in
      statsd) both statsd cfg/statsd.yaml cfg/statsd.yaml --per 1 20 --rates 20000 ;;
      statsd-rate) both statsd cfg/statsd.yaml cfg/statsd.yaml --per 1 --rates 120000 ;;
      otlp) both otlp cfg/otlp-otlp.yaml cfg/otlp-otlp.yaml --signal traces --items 100 1000 --reps 1 --sink ;;
      scrape) both scrape cfg/scrape.yaml cfg/scrape.yaml --series 100000 ;;
      idle) both idle ../examples/guide.yaml cfg/guide-go.yaml --secs 30 ;;
      ami) for made_of in metrics traces all; do beside_bridge "$made_of" "cfg/ami-$made_of.yaml"; done ;;
      *) echo "unknown: $what" >&2; exit 2 ;;
    esac
  done
done
"$here/summary.py" "$results"
