# Waits until every container of the release answers, all at the same time; none has been given a request yet. One that
# does not is stopped, so that it takes no CPU from those that serve, unless its release is the one that serves.
watch() {
    await_healthy "$1" && return 0
    [ "$(docker exec "$PROXY" state live 2>/dev/null || true)" = "$RELEASE" ] || docker stop "$1" >/dev/null 2>&1 || true
    return 1
}

# shellcheck disable=SC2086  # CONTAINERS is a list
case $(docker inspect --format '{{.State.Running}}' $CONTAINERS) in
    *false*) docker start $CONTAINERS >/dev/null ;; # an earlier run has stopped them
esac
asked=
for container in $CONTAINERS; do
    watch "$container" &
    asked="$asked $!"
done
failed=
for question in $asked; do
    wait "$question" || failed=yes
done
[ -z "$failed" ] || exit 1
printf 'healthy %s %s\n' "$RELEASE" "$CONTAINERS"
