# Proves the release and records it as an image; one that is recorded already is left as it is. Standard input holds
# a line with the configuration and one with the record's files. Prints the record's name.
bundles=$(cat)
newline='
'
configuration=${bundles%%"$newline"*}
context=${bundles#*"$newline"}

recorded() {
    docker image inspect --format "{{index .Config.Labels \"$LABEL.image\"}}" "$RECORD" 2>/dev/null || true
}

git_says() {
    git -C "$SOURCE" "$@" 2>/dev/null || true
}

record() {
    if [ -n "${COMMIT:-}" ]; then
        dirty=${DIRTY:-false}
    else
        COMMIT=$(git_says rev-parse HEAD)
        TAG=$(git_says describe --tags --exact-match)
        dirty=
        if [ -n "$COMMIT" ]; then
            dirty=$([ -z "$(git_says status --porcelain -- .)" ] && echo false || echo true)
        fi
    fi
    # BuildKit would want a plugin that not every docker command has; there is nothing to run in this build. What the
    # builder says is of interest only when it fails.
    said=$(printf '%s' "$context" | base64 -d | DOCKER_BUILDKIT=0 docker build --quiet --tag "$RECORD" \
        --build-arg "BASE=$BASE" --label "$LABEL.image=$IMAGE" --label "$LABEL.serial=$SERIAL" \
        --label "$LABEL.at=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        --label "$LABEL.commit=$COMMIT" --label "$LABEL.tag=${TAG:-}" --label "$LABEL.dirty=$dirty" - 2>&1) || {
        printf 'The release could not be recorded: %s\n' "$said" >&2
        exit 1
    }
}

image=$(recorded)
if [ -z "$image" ] || ! docker image inspect "$image" >/dev/null 2>&1; then
    case $PROVED in
        "healthy $RELEASE "*) ;; # its containers run and have answered
        *)
            trap forget EXIT
            trap 'exit 130' INT TERM
            prove || exit 1
            ;;
    esac
    record
fi
printf '%s\n' "$RECORD"
