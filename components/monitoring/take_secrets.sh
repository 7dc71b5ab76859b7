#!/bin/sh
# Standard input is a bundle for the volume of one part of the monitoring, which checks it before it takes it. A part
# that runs already reads it by being started again: nobody's request waits for it.
set -eu
docker run --rm --interactive --network none --cap-drop ALL --security-opt no-new-privileges --read-only \
    --tmpfs /tmp --volume "$VOLUME:/etc/monopco/secrets" --entrypoint take-secrets "$IMAGE"
docker ps --quiet --filter "name=^/?$PART\$" | xargs -r docker restart >/dev/null
