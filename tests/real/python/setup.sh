#!/usr/bin/env bash
# setup.sh DIR: a Python with the OpenTelemetry SDK in DIR; done once. Needs python3 with venv.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=$1
if ! cmp -s "$here/requirements.txt" "$dir/installed.txt"; then
  python3 -m venv "$dir"
  "$dir/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$dir/installed.txt"
fi
