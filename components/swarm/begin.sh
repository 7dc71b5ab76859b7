#!/bin/sh
# Makes the server the manager of a swarm, unless it is one. Prints the swarm's id.
set -eu

info() { docker info --format "{{.Swarm.$1}}"; }

found=$(python3 -c 'import socket, sys; print(socket.gethostbyname(sys.argv[1]))' "$ADDRESS" 2>/dev/null) || {
    printf '%s (server.host) cannot be found; give the address: pulumi config set --path monopco:server.address ADDRESS\n' \
        "$ADDRESS" >&2
    exit 1
}
case $(info LocalNodeState) in
    active)
        [ "$(info ControlAvailable)" = true ] || {
            printf 'The server is a worker of another swarm. If that is not wanted any more, on the server: docker swarm leave\n' >&2
            exit 1
        }
        ;;
    *)
        # What it prints holds the token that lets others join.
        docker swarm init --advertise-addr "$found" >/dev/null
        ;;
esac
info Cluster.ID
