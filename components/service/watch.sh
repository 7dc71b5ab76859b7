#!/bin/sh
set -eu
# What the scripts about a service share: how it is looked at, and what is said when it does not run.
# Those that run, which are healthy; what is left on a server that does not answer is not counted.
running() {
    docker service ps --filter desired-state=running --format '{{.CurrentState}}' "$SERVICE" | grep -c '^Running' || true
}
wanted() { docker service inspect --format '{{.Spec.Mode.Replicated.Replicas}}' "$SERVICE"; }

# explain REASON: it, the errors of the tasks, and the last lines that they wrote.
explain() {
    printf '%s\n' "$1"
    docker service ps --no-trunc --format '{{.Node}}: {{.CurrentState}} {{.Error}}' "$SERVICE" 2>/dev/null | sed 's/ *$//' |
        sort -u | head -n 8
    printf 'The last lines of the app:\n'
    docker service logs --raw --tail 20 "$SERVICE" 2>&1 | tail -n 40
}

# A release that gets no request takes no CPU from the one that serves. Pulumi knows of it: the step has failed.
stop_unless_live() {
    [ "$(docker exec "$PROXY" state live 2>/dev/null || true)" = "$RELEASE" ] ||
        docker service scale --detach "$SERVICE=0" >/dev/null 2>&1 || true
}

failures() { docker service ps --format '{{.CurrentState}}' "$SERVICE" | grep -cE '^(Failed|Rejected)' || true; }

# Waits until every container of the service has given a healthy answer; Docker counts a task as running only then.
await_running() {
    begin=$(date +%s) before=$(failures)
    # An earlier run may have stopped it.
    [ "$(wanted)" = "$REPLICAS" ] || docker service scale --detach "$SERVICE=$REPLICAS" >/dev/null
    # Its health is asked for every INTERVAL seconds, and a server that has no room yet is given a moment.
    limit=$((START_SECONDS + 3 * INTERVAL))
    until [ "$(running)" = "$REPLICAS" ]; do
        seconds=$(($(date +%s) - begin))
        # Docker keeps five of each for their logs: an app that ends at once need not be waited for.
        if [ "$seconds" -ge "$limit" ] || [ $(($(failures) - before)) -ge $((2 * REPLICAS)) ]; then
            explain "Release $RELEASE is not healthy on the swarm (app.health): $(running) of $REPLICAS after $seconds s." >&2
            stop_unless_live
            return 1
        fi
        sleep 0.5
    done
}
