#!/bin/sh
# Standard input is what to order, where, and by which access. Prints eight digits that change with it.
set -eu
exec docker exec --interactive "$CONTAINER" configure
