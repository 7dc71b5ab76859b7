# prove: starts one container of the image, apart from those that serve, and asks it until it answers. It has the
# configuration, the limits and the confinement of the real ones; CPU it gets when the live ones leave some.

forget() {
    docker rm --force --volumes "$NAME" >/dev/null 2>&1 || true
    docker volume rm "$NAME" >/dev/null 2>&1 || true
}

prove() {
    forget
    docker volume create --label "$LABEL.stack=$STACK" --label "$LABEL.component=proof" \
        --label "$LABEL.release=$RELEASE" "$NAME" >/dev/null
    docker create --name "$NAME" --network "$NETWORK" --init --read-only="$READ_ONLY" \
        --tmpfs /tmp:mode=1777,size=128m --tmpfs /run:mode=1777,size=16m --cpu-shares 128 \
        --cap-drop ALL --security-opt no-new-privileges --memory "${MEMORY_MB}m" --memory-swap "${MEMORY_MB}m" \
        --volume "$NAME:/etc/monopco" \
        --label "$LABEL.stack=$STACK" --label "$LABEL.component=proof" --label "$LABEL.release=$RELEASE" \
        "$IMAGE" >/dev/null
    printf '%s' "$configuration" | base64 -d | docker cp - "$NAME:/etc/monopco"
    docker start "$NAME" >/dev/null
    await_healthy "$NAME"
}
