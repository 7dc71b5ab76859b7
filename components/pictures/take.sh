#!/bin/sh
# Takes a picture of the home page after a switch. That none could be taken is told, and stops nothing.
set -eu
name=monopco-$STACK-browser
docker rm --force "$name" >/dev/null 2>&1 || true
if ! docker run --rm --name "$name" --network "$NETWORK" --cap-drop ALL --security-opt no-new-privileges --read-only \
    --tmpfs /tmp --memory 768m --memory-swap 768m --pids-limit 256 --label "$LABEL.stack=$STACK" \
    --label "$LABEL.component=browser" --volume "$PICTURES:/pictures" --volume "$METRICS:/var/lib/monopco/metrics" \
    --entrypoint take-picture "$IMAGE" "$DOMAIN" "$RELEASE" "$KEEP"; then
    echo "release $RELEASE has no picture on the page of the monitoring; nothing else depends on it" >&2
fi
