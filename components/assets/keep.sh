#!/bin/sh
# Gives the proxy a copy of what the app's image has in FOLDER, before the first page that names it is served.
set -eu
said=$(mktemp)
trap 'rm -f "$said" "$said.cut" "$said.proxy"' EXIT
# An archive that was cut between two files looks whole.
if kept=$({ docker cp "$CONTAINER:/app/$FOLDER" - 2>"$said" || : >"$said.cut"; } |
    docker exec --interactive "$PROXY" assets "$RELEASE" "$KEEP" 2>"$said.proxy") && ! [ -e "$said.cut" ]; then
    printf '%s\n' "$kept"
    exit
fi
case $(cat "$said") in
    # Docker's words of before and after its version 23
    *'No such container:path'* | *'Could not find the file'*) printf 'the image has no /app/%s\n' "$FOLDER" ;;
    *)
        cat "$said" "$said.proxy" >&2
        exit 1
        ;;
esac
