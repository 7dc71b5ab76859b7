#!/bin/sh
# Makes the places ready for backups of this database, or says why they cannot be. A place that holds none yet gets its
# first one, which nobody has to wait for; what it says is in the container's log.
set -eu
docker exec "$CONTAINER" backups establish --quiet >/dev/null
docker exec --detach "$CONTAINER" sh -c 'exec backups take missing --quiet >/dev/null 2>/proc/1/fd/2'
