#!/bin/sh
# Standard input is the nginx.conf to use; nginx itself decides whether it is taken.
set -eu
exec docker exec --interactive "$CONTAINER" configure
