#!/bin/sh
# Writes the module that k8s.io/kubernetes VERSION can be built from into DIR: module.sh VERSION DIR
# Kubernetes requires its own staging modules at v0.0.0 and replaces each by a folder of its own
# repository, which is not in the module: here each is replaced by its published version instead.
# To move the default to another version, run it with this folder as DIR and commit the result.
set -eu
version=$1
dir=$2
here=$(cd "$(dirname "$0")" && pwd)
go=$(command -v go || echo "$here/../../../.venv/bin/go")
export GOFLAGS=-mod=mod
mkdir -p "$dir"
[ "$dir" -ef "$here" ] || cp "$here/tools.go" "$dir/tools.go"
cd "$dir"
rm -f go.mod go.sum
original=$("$go" mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"GoMod": "\(.*\)",$/\1/p')
{
	printf 'module example.invalid/controlplane\n\n'
	sed -n 's/^go .*/&\n/p' "$original"
	printf 'require k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
	sed -n "s#^\t\(k8s.io/[a-z0-9-]*\) => ./staging.*#\t\1 => \1 v0.${version#1.}#p" "$original"
	printf ')\n'
} >go.mod
"$go" mod tidy
