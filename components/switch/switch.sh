#!/bin/sh
# Gives the requests to RELEASE and waits until the release before has answered its last one.
set -eu
# shellcheck disable=SC2086  # PEERS is a list
exec docker exec "$PROXY" switch "$RELEASE" "$DRAIN_SECONDS" $PEERS
