#!/bin/sh
# Shared by proof and healthy: wait until a container answers as it should, or say why it does not.
set -eu

# explain CONTAINER REASON: the reason, what the app itself said last, and what to set where that is known.
explain() {
    logs=$(docker logs --tail 40 "$1" 2>&1 || true)
    printf '%s\n' "$2" >&2
    printf 'Last health check of http://localhost:%s%s: %s\n' "$PORT" "$HEALTH_PATH" "${answer:-no answer}" >&2
    if [ -n "$logs" ]; then
        printf 'The last lines that the app wrote:\n%s\n' "$logs" >&2
    else
        printf 'The app wrote nothing.\n' >&2
    fi
    case $logs in
        *ERR_MODULE_NOT_FOUND*|*"Cannot find module"*|*"Cannot find package"*)
            printf 'A module is missing in the image. If it is a development dependency, set it so: pulumi config set --path monopco:app.dependencies all\n' >&2 ;;
        *EROFS*|*"read-only file system"*)
            printf 'The app writes outside /tmp. If it must, set it so: pulumi config set --path monopco:app.readOnly false\n' >&2 ;;
    esac
}

# How often Docker has started CONTAINER again.
restarted() {
    docker inspect --format '{{.RestartCount}}' "$1"
}

# await_healthy CONTAINER: returns 1, after an explanation, when it ends or is not healthy in START_SECONDS.
await_healthy() {
    deadline=$(($(date +%s) + START_SECONDS))
    restarts=$(restarted "$1")
    while :; do
        left=$((deadline - $(date +%s)))
        # One question that waits inside the container: to ask from here each time would take CPU from the app's start.
        if answer=$(docker exec "$1" healthcheck "$PORT" "$HEALTH_PATH" "$HEALTH_EXPECT" "$left" 2>&1); then
            return 0
        fi
        state=$(docker inspect --format '{{.State.Status}} {{.State.OOMKilled}} {{.State.ExitCode}}' "$1")
        case $state in
            # Docker is not told of it on every machine; but nobody else kills the app.
            'exited true '* | 'dead true '* | 'restarting true '* | 'exited '*' 137' | 'restarting '*' 137')
                answer=
                explain "$1" "The app was ended by the kernel: it needs more than app.memory ($MEMORY_MB MB)."
                return 1
                ;;
            exited* | dead* | restarting*)
                answer=
                explain "$1" "The app ended with exit code ${state##* } instead of answering."
                return 1
                ;;
        esac
        if [ "$(restarted "$1")" != "$restarts" ]; then
            explain "$1" "The app ended instead of answering, and was started again."
            return 1
        fi
        if [ "$(date +%s)" -ge "$deadline" ]; then
            explain "$1" "The app runs, but gave no healthy answer in $START_SECONDS s (app.health)."
            return 1
        fi
        sleep 0.2
    done
}
