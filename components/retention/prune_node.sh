#!/bin/sh
# Removes the images of this stack that the manager has no more.
set -eu

docker image ls --filter "label=$LABEL.stack=$STACK" --filter dangling=false --format '{{.Repository}}:{{.Tag}}' |
    while read -r image; do
        if ! kept=$(DOCKER_HOST=$MANAGER MONOPCO_SSH_CONFIG=$MANAGER_CONFIG docker image inspect "$image" 2>&1 </dev/null); then
            case $kept in
                # Without force: Docker itself keeps what a container uses.
                *'No such image'*) docker image rm "$image" >/dev/null 2>&1 </dev/null || true ;;
                *) printf 'The manager does not answer: %s\n' "$kept" >&2 && exit 1 ;;
            esac
        fi
    done
