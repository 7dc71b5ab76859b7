#!/bin/sh
# Standard input holds the connection and the scripts. Runs them in a container that is gone afterwards.
set -eu
docker rm --force "$NAME" >/dev/null 2>&1 || true
base64 -d | docker run --rm --interactive --name "$NAME" --network "$NETWORK" --read-only --tmpfs /tmp --tmpfs /run \
    --cap-drop ALL --security-opt no-new-privileges \
    --label "dev.monopco.stack=$STACK" --label dev.monopco.component=migrate --entrypoint migrate "$IMAGE"
