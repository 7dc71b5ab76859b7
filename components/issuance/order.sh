#!/bin/sh
# Waits until the proxy serves a certificate as the settings ask for, or says why there is none and what to do.
set -eu
exec docker exec "$CONTAINER" order
