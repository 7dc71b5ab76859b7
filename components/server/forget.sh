#!/bin/sh
# Removes the images of this stack, found by label, once nothing uses them any more.
set -eu

images=$(docker image ls --all --quiet --filter "label=$LABEL.stack=$STACK" | sort -u)
for image in $images; do
    docker image rm --force "$image" >/dev/null || printf 'kept image %s: it is in use elsewhere\n' "$image" >&2
done
