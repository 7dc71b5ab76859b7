#!/bin/sh
# Standard input holds the connection; the scripts are in the release's record. Runs them in a container that is gone
# afterwards. CHECKED is what `migrate --check` has said of this release; without a pending script nothing is to be done.
set -eu

case ${CHECKED:-pending unknown} in
    *'pending '*) ;;
    *)
        printf '%s\n' "$CHECKED"
        exit 0
        ;;
esac

forget() {
    docker rm --force "$NAME" "$NAME-scripts" >/dev/null 2>&1 || true
}

scripts() {
    docker create --name "$NAME-scripts" --label "$LABEL.stack=$STACK" --label "$LABEL.component=migrate" \
        --entrypoint true "$RECORD" >/dev/null
    docker cp "$NAME-scripts:/usr/share/monopco/." -
}

forget
trap forget EXIT
trap 'exit 130' INT TERM
if [ "$KEEP_RESTORE_POINTS" -gt 0 ]; then
    set -- --volume "$RESTORE_POINTS:/restore-points" --env RESTORE_POINTS=/restore-points \
        --env "KEEP_RESTORE_POINTS=$KEEP_RESTORE_POINTS"
fi
{
    base64 -d
    scripts
} | docker run --rm --interactive --name "$NAME" --network "$NETWORK" --read-only --tmpfs /tmp --tmpfs /run \
    --cap-drop ALL --security-opt no-new-privileges "$@" \
    --label "$LABEL.stack=$STACK" --label "$LABEL.component=migrate" --entrypoint migrate "$IMAGE"
