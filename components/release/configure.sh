#!/bin/sh
# Standard input becomes the environment file of the release, readable in its containers only.
set -eu
# shellcheck disable=SC2016  # expanded inside the container
docker run --rm --interactive --network none --user 0:0 --cap-drop ALL --security-opt no-new-privileges \
    --read-only --volume "$VOLUME:/etc/monopco" --entrypoint sh "$IMAGE" \
    -c 'umask 022 && cat >/etc/monopco/env.new && chmod 0444 /etc/monopco/env.new && mv /etc/monopco/env.new /etc/monopco/env'
