#!/usr/bin/env bash
# go-build.sh FOLDER MODULE@VERSION PACKAGE...: builds a real server with the Go toolchain, once, into the cache, and
# prints where its programs are. FOLDER's go.mod pins every dependency; the hashes are those of the module's own go.sum.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otelcol-asterisk
folder=$1 module=$2
shift 2
bin=$cache/bin/$folder-${module##*@}
work=$cache/build/$folder
mkdir -p "$bin" "$work"
exec 9>"$cache/lock"
flock 9
for package in "$@"; do [ -x "$bin/$(basename "$package")" ] || missing=1; done
if [ -n "${missing:-}" ]; then
  command -v go >/dev/null || { echo "no go toolchain to build $module with" >&2; exit 1; }
  export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off
  cp "$here/$folder/go.mod" "$work/go.mod"
  source=$(cd "$work" && GOFLAGS= go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
  cat "$source/go.sum" >"$work/go.sum"
  (cd "$work" && go build -tags remove_all_sd -trimpath -ldflags '-s -w' -o "$bin/" "$@") >&2
fi
echo "$bin"
