#!/bin/sh
# Takes out of the zone what put.sh made there.
set -eu
exec .venv/bin/python3 -m zones take
