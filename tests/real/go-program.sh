#!/usr/bin/env bash
# go-program.sh MODULE VERSION PACKAGE [GO-MOD-EDIT...]: builds a program of a Go module as its makers pin it, and prints
# the path of the result. Kept under ${XDG_CACHE_HOME:-~/.cache}/otelcol-asterisk/real. Needs go and the module proxy.
#
# The build runs in a copy of the module, so that its own go.mod and go.sum, replacements included, are in force.
# GO-MOD-EDIT are flags for `go mod edit`, for a replacement that points into the module's repository and not into the
# module. TAGS are build tags.
set -euo pipefail
module=$1 version=$2 package=$3
shift 3
name=$(basename "$package")
cache=${XDG_CACHE_HOME:-$HOME/.cache}/otelcol-asterisk/real
program=$cache/$name-$version
if [ ! -x "$program" ]; then
  command -v go >/dev/null || { echo "go-program.sh: no go, which builds $name" >&2; exit 1; }
  mkdir -p "$cache"
  exec 9>"$cache/$name.lock"
  flock 9
fi
if [ ! -x "$program" ]; then
  echo "go-program.sh: building $name $version, once; takes minutes" >&2
  source=$(mktemp -d "$cache/$name.XXXXXX")
  trap 'rm -rf "$source"' EXIT
  export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=mod
  downloaded=$(cd "$source" && GOFLAGS='' go mod download -json "$module@$version" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')
  cp -r --no-preserve=mode "$downloaded/." "$source"
  cd "$source"
  [ $# = 0 ] || go mod edit "$@"
  go build -buildvcs=false -trimpath -tags "${TAGS:-}" -ldflags '-s -w' -o "$program.new" "./$package"
  mv "$program.new" "$program"
fi
echo "$program"
