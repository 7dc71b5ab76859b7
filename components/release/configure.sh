#!/bin/sh
# Standard input is a bundle that becomes the release's configuration, readable in its containers only.
set -eu

forget() {
    docker rm --force "$NAME" >/dev/null 2>&1 || true
}

# It is created and never started: files can be copied into it, and from there into the volume, all the same.
create() {
    docker create --name "$NAME" --network none --volume "$VOLUME:/etc/monopco" --entrypoint true "$IMAGE"
}

# Nobody has to wait until it is gone. A killed run may have left one.
trap 'forget </dev/null >/dev/null 2>&1 &' EXIT
trap 'exit 130' INT TERM
create >/dev/null 2>&1 || { forget && create >/dev/null; }
base64 -d | docker cp - "$NAME:/etc/monopco"
