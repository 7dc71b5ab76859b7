#!/bin/sh
# Removes the images of this stack, found by label, once nothing uses them any more.
set -eu

# forget [FILTER]: those that the filter leaves.
forget() {
    docker image ls --all --quiet --filter "label=$LABEL.stack=$STACK" "$@" | sort -u | while read -r image; do
        docker image rm --force "$image" >/dev/null 2>&1 || true
    done
}

# The records of releases lie on the app's images, which cannot go before them.
forget --filter "label=$LABEL.component=release"
forget
for image in $(docker image ls --quiet --filter "label=$LABEL.stack=$STACK" | sort -u); do
    printf 'kept image %s: it is in use elsewhere\n' "$image" >&2
done
