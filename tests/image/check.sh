#!/bin/bash
# Builds the image from the Containerfile as it stands and tries it, on a Debian machine without
# Docker and without a registry: mmdebstrap makes a base in the place of python:3.13-slim, buildah
# builds, podman and runc run. As root; `make image-check` has made dist/wheelhouse.
#
# check.sh FOLDER keeps the base, which takes a minute to make, and the images in FOLDER.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(realpath -m "${1:?name a folder}")
mkdir -p "$folder"
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' discovery/__init__.py)

for program in mmdebstrap buildah podman runc conmon; do
  command -v "$program" >/dev/null && continue
  echo "error: $program is not here. apt-get install --no-install-recommends mmdebstrap buildah podman conmon runc uidmap" >&2
  exit 3
done

# Less than an engine asks for by default: a machine may not be allowed to raise these.
cat >"$folder/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
CONF
export CONTAINERS_CONF=$folder/containers.conf
store=(--root "$folder/store" --runroot "$folder/run")
base=localhost/python:3.13-slim
image=localhost/tailnet-discovery:$version

if ! podman "${store[@]}" image exists "$base"; then
  # shellcheck disable=SC2016 # the hook's own $1
  mmdebstrap --quiet --variant=minbase --mode=root \
    --include=python3,python3-venv,ca-certificates,tzdata \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='for n in python python3; do ln -sf /usr/bin/python3 "$1/usr/local/bin/$n"; done' \
    trixie "$folder/base.tar"
  podman "${store[@]}" import --quiet --change 'CMD ["python3"]' "$folder/base.tar" "$base"
fi

build() {
  buildah "${store[@]}" bud --quiet --pull-never --isolation chroot --timestamp 0 \
    --build-arg "PYTHON=$base" --build-arg "VERSION=$version" --tag "$1" --file Containerfile .
}
run() {
  podman "${store[@]}" run --pull never --read-only --cap-drop ALL \
    --security-opt no-new-privileges "$@"
}
said() { echo "ok: $*"; }

first=$(build "$image")
[ "$first" = "$(build "$image-again")" ]
said "built twice, one image: $first"

[ "$(run --rm --network none "$image" --version)" = "tailnet-discovery $version" ]
said "it starts by itself, with a read-only root and without capabilities"

user='import os; print(os.getuid(), os.getgid())'
[ "$(run --rm --network none --entrypoint python "$image" -c "$user")" = "65532 65532" ]
said "it is user 65532"

names=$(run --rm --network none --volume "$PWD/fixtures:/fixtures:ro" "$image" \
  devices --inventory /fixtures/tailnet/devices.json -l env=production -o name)
grep -qx api-1 <<<"$names"
said "it lists the devices of an inventory"

stops() {
  local name=$1 patience=$2 began
  shift 2
  run --detach --name "$name" --network host "$@" >/dev/null
  for _ in $(seq 100); do
    podman "${store[@]}" logs "$name" 2>&1 | grep -q "$patience" && break
    sleep 0.1
  done
  began=$SECONDS
  podman "${store[@]}" stop --time 10 "$name" >/dev/null
  [ "$(podman "${store[@]}" inspect --format '{{.State.ExitCode}}' "$name")" = 0 ]
  [ $((SECONDS - began)) -lt 10 ]
  podman "${store[@]}" rm "$name" >/dev/null
}
stops simulator '"url"' "$image" simulate
said "the simulator serves, and ends with 0 on SIGTERM"

stops controller . --volume "$PWD/examples:/examples:ro" --volume "$PWD/fixtures:/fixtures:ro" \
  --tmpfs /out:rw,mode=1777 "$image" run --standalone /examples --out /out \
  --inventory /fixtures/tailnet/devices.json
said "the controller runs, and ends with 0 on SIGTERM"
