#!/bin/sh
# Standard input is a bundle that becomes the release's configuration, readable in its containers only.
set -eu

forget() {
    docker rm --force "$NAME" >/dev/null 2>&1 || true
}

forget
trap forget EXIT
trap 'exit 130' INT TERM
# It is created and never started: files can be copied into it, and from there into the volume, all the same.
docker create --name "$NAME" --network none --volume "$VOLUME:/etc/monopco" --entrypoint true "$IMAGE" >/dev/null
base64 -d | docker cp - "$NAME:/etc/monopco"
