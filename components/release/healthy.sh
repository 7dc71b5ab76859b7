# Waits until every container of the release answers; none has been given a request yet.
for container in $CONTAINERS; do
    await_healthy "$container" || exit 1
done
printf 'healthy: %s\n' "$CONTAINERS"
