#!/bin/sh
# Lets every user write files of its own into the volume, whoever mounted it first.
set -eu
exec docker run --rm --network none --user 0:0 --cap-drop ALL --read-only --volume "$VOLUME:/metrics" \
    --entrypoint chmod "$IMAGE" 1777 /metrics
