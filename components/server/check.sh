#!/bin/sh
# Refuses a machine on which the deployment would fail half-way. Prints what was found.
set -eu

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

version=$(docker version --format '{{.Server.Version}}' 2>&1) ||
    fail "Docker does not answer (${DOCKER_HOST:-local socket}): $version
Start it, or let ./monopco env install it."

docker image inspect "$BASE" >/dev/null 2>&1 ||
    fail "The base image $BASE is not on the Docker host; ./monopco env makes it."

run() {
    docker run --rm --label "$LABEL.stack=$STACK" --label "$LABEL.component=check" "$@"
}

free=$(run --network none "$BASE" df -Pk / | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge "$FREE_DISK_MB" ] ||
    fail "The disk that holds Docker's data has $free MB free; a deployment needs $FREE_DISK_MB MB.
Look with: docker system df"

# The ports are ours while our own proxy holds them; else a container that publishes them for a moment must start.
if [ -z "$(docker ps --quiet --filter "name=^/$PROXY\$")" ]; then
    for port in $PORTS; do
        answer=$(run --publish "$ADDRESS:$port:1" "$BASE" true 2>&1) ||
            fail "Port $port on $ADDRESS cannot be used: $answer
Free it, or set another one: pulumi config set --path monopco:http.httpsPort PORT (or httpPort)"
    done
fi

# Names of stacks can lead to the same network; ours may be there already.
networks=$(docker network ls --quiet)
# shellcheck disable=SC2086  # networks is a list
taken=$(docker network inspect --format '{{.Name}} {{range .IPAM.Config}}{{.Subnet}} {{end}}' $networks |
    awk -v subnet="$SUBNET" -v own="$NETWORK" '$1 != own { for (i = 2; i <= NF; i++) if ($i == subnet) print $1 }')
[ -z "$taken" ] ||
    fail "The addresses $SUBNET are those of the network $taken.
Choose others for this stack: pulumi config set --stack $STACK --path monopco:network.subnet 10.200.0.0/18"

printf 'Docker %s, %s MB free\n' "$version" "$free"
