#!/bin/sh
# Removes the records of this stack's releases beyond the KEEP newest, but never the live one, the one before it, or
# one that has a container; then the app's images that no record needs, and images of ours that newer ones replaced.
set -eu

images() {
    docker image ls --filter "label=$LABEL.stack=$STACK" --filter "label=$LABEL.component=$1" \
        --filter dangling=false --format '{{.Repository}}:{{.Tag}}'
}

remove() {
    while read -r image; do
        # Without force: Docker itself keeps what a container uses.
        ! docker image rm "$image" >/dev/null 2>&1 || printf '%s\n' "$image"
    done
}

# "TIME RELEASE IMAGE NAME" of each record, newest first.
records() {
    images release | xargs -r docker image inspect \
        --format "{{index .Config.Labels \"$LABEL.at\"}} {{index .Config.Labels \"$LABEL.release\"}} {{index .Config.Labels \"$LABEL.image\"}} {{index .RepoTags 0}}" |
        sort -r
}

previous=$(docker exec "$PROXY" state 2>/dev/null | sed -n 's/.*"previous":"\([^"]*\)".*/\1/p' || true)
in_use=$(docker ps --all --filter "label=$LABEL.stack=$STACK" --format "{{.Label \"$LABEL.release\"}}" | sort -u)
live=$(docker exec "$PROXY" state live 2>/dev/null || true)
kept=" ${RELEASE:-} $live $previous $(printf '%s' "$in_use" | tr '\n' ' ') "

records | awk -v keep="$KEEP" -v kept="$kept" 'NR > keep && index(kept, " " $2 " ") == 0 { print $4 }' | remove

needed=$(records | awk '{ print $3 }')
images app | while read -r image; do
    id=$(docker image inspect --format '{{.Id}}' "$image")
    case $needed in
        *"$id"*) ;;
        *) printf '%s\n' "$image" ;;
    esac
done | remove

for component in proxy database monitoring browser runtime build; do
    images "$component" | sed 1d | remove # Docker lists the newest first
done
