#!/bin/sh
# Standard input holds the connection and the scripts that the release knows. Fails when the schema is ahead of it.
set -eu
if [ -n "$CONTAINER" ]; then
    base64 -d | docker exec --interactive --env "ACCEPT=$ACCEPT" "$CONTAINER" migrate --check
else
    base64 -d | docker run --rm --interactive --network "$NETWORK" --read-only --tmpfs /tmp --tmpfs /run \
        --cap-drop ALL --security-opt no-new-privileges --env "ACCEPT=$ACCEPT" \
        --label "$LABEL.stack=$STACK" --label "$LABEL.component=migrate" --entrypoint migrate "$IMAGE" --check
fi
