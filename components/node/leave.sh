#!/bin/sh
# Takes the node out of the swarm. One that answers ends its containers of this stack first, while the others serve; one
# that does not is taken out all the same.
GONE_SECONDS=120

manager() { DOCKER_HOST=$MANAGER MONOPCO_SSH_CONFIG=$MANAGER_CONFIG docker "$@"; }

node=$PULUMI_COMMAND_STDOUT
if docker version >/dev/null 2>&1; then
    # First what visitors come in by: whoever takes a node out has its address taken out of DNS before.
    for proxy in $(docker ps --quiet --filter "label=$LABEL.stack=$STACK" --filter "label=$LABEL.component=proxy"); do
        docker stop "$proxy" >/dev/null
    done
    others=$(docker ps --all --quiet --filter "label=$LABEL.stack" | wc -l)
    own=$(docker ps --all --quiet --filter "label=$LABEL.stack=$STACK" | wc -l)
    manager node update --availability drain "$node" >/dev/null 2>&1 || true
    deadline=$(($(date +%s) + GONE_SECONDS))
    while [ -n "$(docker ps --quiet --filter "label=$LABEL.stack=$STACK")" ] && [ "$(date +%s)" -lt "$deadline" ]; do
        sleep 0.5
    done
    docker ps --all --quiet --filter "label=$LABEL.stack=$STACK" | xargs -r docker rm --force --volumes >/dev/null
    docker volume ls --quiet --filter "label=$LABEL.stack=$STACK" | xargs -r docker volume rm >/dev/null
    docker image ls --all --quiet --filter "label=$LABEL.stack=$STACK" | sort -u | xargs -r docker image rm --force >/dev/null
    if [ "$others" -gt "$own" ]; then
        printf '%s stays in the swarm: other environments run on it\n' "$HOST"
        manager node update --availability active "$node" >/dev/null
        exit 0
    fi
    docker swarm leave >/dev/null
else
    printf '%s does not answer. It is taken out of the swarm; what runs on it goes on until it is switched off.\n' "$HOST" >&2
fi
manager node rm --force "$node" >/dev/null 2>&1 || ! manager node inspect "$node" >/dev/null 2>&1
