# Waits until every container of the release answers, all at the same time; none has been given a request yet.
asked=
for container in $CONTAINERS; do
    await_healthy "$container" &
    asked="$asked $!"
done
for question in $asked; do
    wait "$question" || exit 1
done
printf 'healthy: %s\n' "$CONTAINERS"
