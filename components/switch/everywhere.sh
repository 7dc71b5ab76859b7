# Gives the requests to RELEASE at the proxy of every server at the same time, each of which watches it. When one of them
# finds it worse, or cannot be told, all of them go back, and this fails. HOSTS has a line for each server: its host, its
# Docker, and the settings of SSH for it; the manager is the first one, whose report is printed.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# on DOCKER SETTINGS COMMAND...: in the proxy of that server.
on() {
    where=$1 settings=$2
    shift 2
    DOCKER_HOST=$where MONOPCO_SSH_CONFIG=$settings docker exec "$PROXY" "$@" </dev/null
}

# each FUNCTION: at every server at once.
each() {
    while read -r host docker settings; do
        "$1" "$host" "$docker" "$settings" &
    done <<END
$HOSTS
END
    wait
}

give() {
    status=0
    on "$2" "$3" switch "$RELEASE" "$DRAIN_SECONDS" "$WATCH_SECONDS" "$PEERS" >"$folder/$1.report" 2>"$folder/$1.said" || status=$?
    printf '%s\n' "$status" >"$folder/$1.status"
    # Whoever watches still need not wait for a verdict that is there.
    if [ "$status" != 0 ]; then
        : >"$folder/worse"
        each_other "$1"
    fi
}

# each_other HOST: the others, which watch yet, take it back.
each_other() {
    while read -r host docker settings; do
        if [ "$host" != "$1" ] && ! [ -e "$folder/$host.status" ]; then
            on "$docker" "$settings" revert "the proxy of $1 took it back" >/dev/null 2>&1 || true
        fi
    done <<END
$HOSTS
END
}

take_back() {
    if [ "$(cat "$folder/$1.status")" = 0 ]; then
        on "$2" "$3" revert 'the proxy of another server took it back' >/dev/null 2>&1 || true
    fi
}

await_running || exit 1
each give
if [ -e "$folder/worse" ]; then
    each take_back
    {
        while read -r host docker settings; do
            [ "$(cat "$folder/$host.status")" = 0 ] || sed "s|^|$host: |" "$folder/$host.said"
        done <<END
$HOSTS
END
        explain "Release $RELEASE was not taken by every proxy; the requests are with the release before it."
    } >&2
    stop_unless_live
    exit 1
fi
cat "$folder/$(printf '%s\n' "$HOSTS" | sed -n '1s/ .*//p').report"
