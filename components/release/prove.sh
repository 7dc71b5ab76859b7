# Starts one container of the image, apart from those that serve, and asks it until it answers.
# It has the configuration, the limits and the confinement of the real ones.
docker rm --force "$NAME" >/dev/null 2>&1 || true
trap 'docker rm --force "$NAME" >/dev/null 2>&1 || true' EXIT
trap 'exit 130' INT TERM

docker run --detach --name "$NAME" --network "$NETWORK" --init --read-only="$READ_ONLY" --tmpfs /tmp:mode=1777,size=128m \
    --cap-drop ALL --security-opt no-new-privileges --memory "${MEMORY_MB}m" --memory-swap "${MEMORY_MB}m" \
    --volume "$VOLUME:/etc/monopco:ro" \
    --label "$LABEL.stack=$STACK" --label "$LABEL.component=proof" --label "$LABEL.release=$RELEASE" \
    "$IMAGE" >/dev/null

await_healthy "$NAME" || exit 1
printf 'release %s answers\n' "$RELEASE"
