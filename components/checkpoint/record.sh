# Proves the release and records it as an image; one that is recorded already is left as it is. Standard input holds
# a line with the configuration and one with the record's files. Prints {"image", "record", "serial"}.
bundles=$(cat)
newline='
'
configuration=${bundles%%"$newline"*}
context=${bundles#*"$newline"}

# The image and the serial number that the record says; nothing when there is none.
recorded() {
    docker image inspect --format "{{index .Config.Labels \"$LABEL.image\"}} {{index .Config.Labels \"$LABEL.serial\"}}" \
        "$RECORD" 2>/dev/null || true
}

git_says() {
    git -C "$SOURCE" "$@" 2>/dev/null || true
}

# The number after the largest of this stack's.
next_serial() {
    {
        echo 0
        docker image ls --quiet --filter "label=$LABEL.stack=$STACK" --filter "label=$LABEL.component=release" |
            sort -u | xargs -r docker image inspect --format "{{index .Config.Labels \"$LABEL.serial\"}}"
    } | sort -n | awk 'END { print $1 + 1 }'
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
        --build-arg "BASE=$BASE" --build-arg "SERIAL=$(next_serial)" --build-arg "AT=$(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        --build-arg "COMMIT=$COMMIT" --build-arg "TAG=${TAG:-}" --build-arg "DIRTY=$dirty" \
        --build-arg "IMAGE=$IMAGE" - 2>&1) || {
        printf 'The release could not be recorded: %s\n' "$said" >&2
        exit 1
    }
}

found=$(recorded)
if [ -z "$found" ] || ! docker image inspect "${found% *}" >/dev/null 2>&1; then
    trap forget EXIT
    trap 'exit 130' INT TERM
    prove || exit 1
    record
    found=$(recorded)
fi
printf '{"image":"%s","record":"%s","serial":%s}\n' "${found% *}" "$RECORD" "${found#* }"
