#!/usr/bin/env bash
# guide.sh PROGRAM: runs the guide's configuration as it is printed, in a network namespace of its own (the ports are the
# guide's), does what the guide's step 3 does, and looks at the metrics. Needs root or user namespaces, iproute2, curl.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
program=$(realpath "$1")
if [ "${2:-}" != inside ]; then
  exec unshare --net $([ "$(id -u)" = 0 ] || echo --map-root-user) "$0" "$program" inside
fi
ip link set lo up
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null; rm -rf "$work"' EXIT
"$program" --config "$root/examples/guide.yaml" 2>"$work/log" &
pid=$!
fail() { echo "guide.sh: $1" >&2; cat "$work/log" >&2; grep -v asterisk_system "$work/page" >&2; exit 1; }
# The StatsD socket is the last to open: 8125 is 1FBD in the kernel's list.
for _ in $(seq 100); do grep -qs ':1FBD ' /proc/net/udp /proc/net/udp6 && break; sleep 0.1; done
curl -fs http://localhost:8888/metrics | grep -q '^otelcol_process_uptime ' || fail "no self metrics"
printf 'asterisk.channels.count:47|g' >/dev/udp/127.0.0.1/8125
printf 'asterisk.channels.calltime:300|ms' >/dev/udp/127.0.0.1/8125
printf 'asterisk.calls:3|c' >/dev/udp/127.0.0.1/8125
# An interval of 10 s and a batch of 10 s; host metrics every 15 s.
for _ in $(seq 45); do
  curl -fs http://localhost:8889/metrics >"$work/page" && grep -q '^asterisk_system_cpu_utilization_ratio{' "$work/page" \
    && grep -q '^asterisk_channels_count{' "$work/page" && break
  kill -0 $pid || fail "the collector ended"
  sleep 1
done
has() { grep -qE "$1" "$work/page" || fail "missing: $1"; }
labels="cluster_name=\"vicidial-prod\".*host_name=\"$(hostname)\",.*server_role=\"dialer\""
has '^# HELP asterisk_channels_count Current active channel count$'
has '^# TYPE asterisk_channels_count gauge$'
has "^asterisk_channels_count\{$labels.*\} 47$"
has "^asterisk_calls_total\{$labels.*\} 3$"
for bound in 10 25 50 100 250; do has "^asterisk_channels_calltime_bucket\{$labels.*,le=\"$bound\"\} 0$"; done
for bound in 500 1000 5000 10000 '\+Inf'; do has "^asterisk_channels_calltime_bucket\{$labels.*,le=\"$bound\"\} 1$"; done
for name in cpu_time_seconds_total cpu_utilization_ratio memory_usage_bytes memory_utilization_ratio network_io_bytes_total cpu_load_average_5m; do
  has "^asterisk_system_$name\{$labels"
done
kill -TERM $pid
wait $pid || fail "the collector ended with $?"
pid=
echo "guide.sh: passed"
