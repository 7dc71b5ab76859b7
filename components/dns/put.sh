#!/bin/sh
# Makes RECORD in the zone at PLACE, or changes what the last run made. Standard input is the access to the zone.
set -eu
exec .venv/bin/python3 -m zones put
