#!/bin/sh
# Has the node join the manager's swarm, and waits until the manager finds it ready. Prints the node's id. A release is
# begun only when every node is there.
set -eu
READY_SECONDS=60

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

# manager ARGUMENT...: docker, at the manager.
manager() { DOCKER_HOST=$MANAGER MONOPCO_SSH_CONFIG=$MANAGER_CONFIG docker "$@"; }

address_of() {
    found=$(python3 -c 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))' "$1" 2>/dev/null) ||
        fail "$1 cannot be found; give its address (server.address, or address in server.nodes)."
    printf '%s\n' "$found"
}

state() { docker info --format '{{.Swarm.LocalNodeState}}'; }
id() { docker info --format '{{.Swarm.NodeID}}'; }

# By Docker's API: the docker command takes the token as an argument only, where everybody on this machine could read it.
join() {
    token=$(manager swarm join-token --quiet worker)
    wanted=$(printf '{"ListenAddr":"0.0.0.0:2377","AdvertiseAddr":"%s","RemoteAddrs":["%s:2377"],"JoinToken":"%s"}' \
        "$mine" "$theirs" "$token")
    printf 'POST /swarm/join HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s' \
        "${#wanted}" "$wanted" | docker system dial-stdio
}

said=$(docker version 2>&1 >/dev/null) || fail "Docker on $HOST does not answer: $said" \
    "Nothing of this release was begun. Bring the server back; or take it out of server.nodes, and run this again."
mine=$(address_of "$ADDRESS")
theirs=$(address_of "$MANAGER_ADDRESS")
case $(state) in
    active)
        manager node inspect "$(id)" >/dev/null 2>&1 ||
            fail "$HOST belongs to another swarm. If that is not wanted any more, on $HOST: docker swarm leave --force"
        ;;
    *)
        answer=$(join)
        case $answer in
            'HTTP/1.'?' 200 '*) ;;
            # Docker goes on with it by itself.
            *'Timeout was reached'*) ;;
            *) fail "$HOST cannot join the swarm: $(printf '%s\n' "$answer" | tail -n 1)" \
                "Between the servers the ports 2377 (TCP), 7946 (TCP and UDP) and 4789 (UDP) must be open." ;;
        esac
        ;;
esac
deadline=$(($(date +%s) + READY_SECONDS))
until [ "$(manager node inspect --format '{{.Status.State}}' "$(id)" 2>/dev/null)" = ready ]; do
    [ "$(date +%s)" -lt "$deadline" ] || fail "$HOST has joined the swarm, but the manager does not find it ready:" \
        "$(manager node ls 2>&1)"
    sleep 0.5
done
manager node update --availability active --label-add "$LABEL.host=$HOST" "$(id)" >/dev/null
id
