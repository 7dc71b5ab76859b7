#!/bin/sh
# Standard input is a certificate chain with its key.
set -eu
exec docker exec --interactive "$CONTAINER" certificate install
