#!/bin/sh
# Standard input is a bundle that becomes the settings of the backups. Each file is replaced in one go, because a
# database that runs reads them at any moment; what is not in the bundle any more goes.
set -eu

forget() {
    docker rm --force "$NAME" >/dev/null 2>&1 || true
}

forget
trap forget EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2016  # the variables are the container's
base64 -d | docker run --rm --interactive --name "$NAME" --network none --read-only --cap-drop ALL \
    --security-opt no-new-privileges --volume "$VOLUME:/etc/pgbackrest" --entrypoint sh "$IMAGE" -euc '
        umask 077
        cd /etc/pgbackrest
        rm -rf .new
        mkdir .new
        tar --extract --no-same-owner --directory=.new
        for file in *; do
            [ -e ".new/$file" ] || rm -f "$file"
        done
        mv -f .new/* .
        rmdir .new'
