#!/bin/sh
# Standard input holds the connection and the scripts that the release knows. Says which are pending; with STRICT it
# fails when the schema is ahead of the release.
set -eu

# The exit code by which `migrate --check` says so.
AHEAD=5

check() {
    if [ -n "$CONTAINER" ]; then
        docker exec --interactive --env "ACCEPT=$ACCEPT" "$CONTAINER" migrate --check
    else
        docker run --rm --interactive --network "$NETWORK" --read-only --tmpfs /tmp --tmpfs /run \
            --cap-drop ALL --security-opt no-new-privileges --env "ACCEPT=$ACCEPT" \
            --label "$LABEL.stack=$STACK" --label "$LABEL.component=migrate" --entrypoint migrate "$IMAGE" --check
    fi
}

status=0
said=$(base64 -d | check 2>&1) || status=$?
if [ "$status" -eq 0 ]; then
    printf '%s\n' "$said"
    exit 0
elif [ "$status" -eq "$AHEAD" ] && [ "$STRICT" = false ]; then
    printf 'pending unknown\n'
    exit 0
fi
printf '%s\n' "$said" >&2
if [ "$status" -eq "$AHEAD" ]; then
    scripts=$(printf '%s\n' "$said" | sed -n 's/.*release: \(.*\) was applied on .*/\1/p' |
        sed "s/'/'\\\\''/g; s/.*/ --accept '&'/" | tr -d '\n')
    cat >&2 <<END
Nothing was changed. What can be done:
  - when release $RELEASE can work with what these scripts did: ./monopco rollback $RELEASE$scripts -s $STACK
    (a script that says "-- monopco: backward-compatible" at its top needs no such word)
  - mend the release that runs and deploy it: ./monopco checkpoint -m TEXT -s $STACK, ./monopco publish -s $STACK
  - a restore point was taken before the scripts were run; what was written since then is not in it:
    docker run --rm --volume monopco-$STACK-restore-points:/restore-points --entrypoint ls $IMAGE /restore-points
END
fi
exit "$status"
