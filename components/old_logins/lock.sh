#!/bin/sh
# Locks every login with the rights of ROLE but LOGIN: who knows an old password does not come in any more.
set -eu
docker exec --interactive --user postgres "$CONTAINER" provision <<END
SELECT format('ALTER ROLE %I NOLOGIN PASSWORD NULL', rolname) FROM pg_roles
    WHERE rolname ~ '^${ROLE}(_[0-9a-f]{8})?\$' AND rolname <> '$LOGIN' AND rolcanlogin
\gexec
END
printf '%s\n' "$LOGIN"
