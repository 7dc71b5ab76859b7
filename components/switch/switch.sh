# Gives the requests to RELEASE, waits until the release before has answered its last one, and watches how RELEASE
# does meanwhile. When it does clearly worse, the requests are with the release before again, and this fails.

restarts() {
    # shellcheck disable=SC2086  # CONTAINERS is a list
    docker inspect --format '{{.Id}} {{.RestartCount}} {{.State.Running}}' $CONTAINERS
}

# explain_ends CONTAINER: an app that the kernel ends for the memory it took says nothing itself. Docker is not told of it
# on every machine, and forgets the exit code when it starts the container again.
explain_ends() {
    case $(docker inspect --format '{{.State.OOMKilled}} {{.State.ExitCode}} {{.RestartCount}}' "$1") in
        true* | 'false 137 '*) printf 'The kernel ended the app: it needs more than app.memory (%s MB).\n' "$MEMORY_MB" ;;
        *' 0') ;;
        *) printf 'The app ended. Unless its last lines say why, it needs more than app.memory (%s MB).\n' "$MEMORY_MB" ;;
    esac
}

# taken_back REASON: what a person needs to know.
taken_back() {
    printf '%s\n' "$1" >&2
    for container in $CONTAINERS; do
        explain_ends "$container" >&2
        printf 'The last lines of %s:\n%s\n' "$(docker inspect --format '{{.Name}}' "$container" | cut -c 2-)" \
            "$(docker logs --tail 20 "$container" 2>&1)" >&2
    done
    # Only what is known to get no requests: then nothing is lost, and a release that fails in a loop takes no CPU from
    # the one that serves. A switch also fails when nginx ends in the middle, or another replica of the live one does.
    if live=$(docker exec "$PROXY" state live 2>/dev/null) && [ "$live" != "$RELEASE" ]; then
        # shellcheck disable=SC2086
        docker stop $CONTAINERS >/dev/null 2>&1 || true
    fi
    exit 1
}

before=$(restarts)
case $before in
    *false*)
        # An earlier run has stopped them after it took the requests back.
        # shellcheck disable=SC2086
        docker start $CONTAINERS >/dev/null
        for container in $CONTAINERS; do
            await_healthy "$container" || exit 1
        done
        before=$(restarts)
        ;;
esac
status=0
# shellcheck disable=SC2086  # PEERS is a list
report=$(docker exec "$PROXY" switch "$RELEASE" "$DRAIN_SECONDS" "$WATCH_SECONDS" $PEERS) || status=$?
case $status in
    0) ;;
    3) taken_back "Release $RELEASE did worse than the one before it." ;;
    *) taken_back "The switch to release $RELEASE failed." ;;
esac
if [ "$(restarts)" != "$before" ] && back=$(docker exec "$PROXY" revert "a container of $RELEASE ended and was restarted"); then
    taken_back "A container of release $RELEASE ended while it was watched; the requests went back: $back"
fi
printf '%s\n' "$report"
