#!/bin/sh
# Standard input is SQL, run as superuser over the container's own socket.
set -eu
exec docker exec --interactive --user postgres "$CONTAINER" provision
