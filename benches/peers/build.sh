#!/usr/bin/env bash
# build.sh [collector] [load]: builds the Go collector 0.161 with its official builder, and the load generators, into
# ${PEERS_HOME:-~/.cache/otelcol-asterisk-peers}/bin. Cached; needs go.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${PEERS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/otelcol-asterisk-peers}
mkdir -p "$home/bin"
export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off
[ $# -gt 0 ] || set -- collector load
for what in "$@"; do
  case $what in
    load)
      for command in "$here"/load/cmd/*/; do
        (cd "$here/load" && go build -trimpath -o "$home/bin/$(basename "$command")" "./cmd/$(basename "$command")")
      done ;;
    collector)
      [ ! -x "$home/bin/otelcol161" ] || continue
      src=$home/src-161
      rm -rf "$src"; mkdir -p "$src/out"; cp "$here/161/builder.yaml" "$src/"
      # The builder writes main.go and components.go; go.mod pins what resolves together.
      GOBIN="$home/builder" GOFLAGS= go install go.opentelemetry.io/collector/cmd/builder@v0.161.0
      (cd "$src" && "$home/builder/builder" --config builder.yaml --skip-compilation --skip-get-modules \
        --skip-strict-versioning >/dev/null 2>&1 || true)
      cp "$here/161/go.mod" "$here/161/go.sum" "$src/out/"
      (cd "$src/out" && go build -trimpath -ldflags="-s -w" -o "$home/bin/otelcol161" .) ;;
    *) echo "unknown: $what (collector, load)" >&2; exit 2 ;;
  esac
done
echo "$home/bin"
