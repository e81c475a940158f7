#!/bin/sh
# Builds etcd, kube-apiserver and kube-controller-manager from Go modules: build.sh [VERSION]
# They go to the user's cache folder, where the tests look for them; what is there already, and was
# built from the same sources, is left alone. The first build takes about five minutes on two cores.
# Without VERSION, the one that go.mod pins is built from go.mod and go.sum as they are.
# Takes the go of PATH, else the one of the virtual environment.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pinned=$(sed -n 's#.*k8s.io/kubernetes v\([0-9.]*\)$#\1#p' "$here/go.mod")
version=${1:-$pinned}
out=${XDG_CACHE_HOME:-$HOME/.cache}/tailnet-discovery/control-plane/$version
go=$(command -v go || echo "$here/../../../.venv/bin/go")
mkdir -p "$out"
exec 9>"$out/lock"
flock 9
if [ "$version" = "$pinned" ]; then
	module=$here
	sources=$(cat "$here/go.mod" "$here/go.sum" "$here/tools.go" | sha256sum)
else
	module=$out/module
	sources=$(cat "$here/module.sh" "$here/tools.go" | sha256sum)
fi
if [ "$sources" = "$(cat "$out/sources" 2>/dev/null)" ]; then
	exit 0
fi
echo "building Kubernetes $version for the tests, once, into $out" >&2
rm -f "$out/sources"
[ "$module" = "$here" ] || "$here/module.sh" "$version" "$module"
cd "$module"
export CGO_ENABLED=0 GOFLAGS=-mod=readonly
minor=${version#1.}
base=k8s.io/component-base/version # without these, the server calls itself v0.0.0-master
stamp="-X $base.gitVersion=v$version -X $base.gitMajor=1 -X $base.gitMinor=${minor%%.*}"
"$go" build -ldflags "-s -w" -o "$out/etcd" go.etcd.io/etcd/server/v3
for program in kube-apiserver kube-controller-manager; do
	"$go" build -ldflags "-s -w $stamp" -o "$out/$program" "k8s.io/kubernetes/cmd/$program"
done
echo "$sources" >"$out/sources"
