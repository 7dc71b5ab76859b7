#!/bin/sh
# Standard input is the registry's password, if there is one. PROGRAM is deliver.py, beside this file.
set -eu
exec python3 -c "$PROGRAM"
