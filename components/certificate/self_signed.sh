#!/bin/sh
# Has the proxy make a certificate for NAMES and prints the certificate of the authority that signed it.
set -eu
set -f # a name such as *.monopco.fr is one word
# shellcheck disable=SC2086  # NAMES is a list
exec docker exec "$CONTAINER" certificate self-signed $NAMES
