await_running || exit 1
printf 'healthy %s %s\n' "$RELEASE" "$SERVICE"
