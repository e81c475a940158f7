#!/bin/sh
# Builds goclient into OUTDIR unless the sources it was built from are the same: build.sh [OUTDIR]
# Without OUTDIR: the user's cache folder, where the tests look for it.
# Takes the go of PATH, else the one of the virtual environment.
set -eu
out=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/tailnet-discovery}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
go=$(command -v go || echo "$root/.venv/bin/go")
mkdir -p "$out"
exec 9>"$out/goclient.lock"
flock 9
sources=$(cat "$here/go.mod" "$here/go.sum" "$here/main.go" | sha256sum)
if [ -x "$out/goclient" ] && [ "$sources" = "$(cat "$out/goclient.sources" 2>/dev/null)" ]; then
	exit 0
fi
cd "$here"
CGO_ENABLED=0 "$go" build -trimpath -ldflags "-s -w" -o "$out/goclient" .
echo "$sources" >"$out/goclient.sources"
