# Runs the step below as root. Its text is read whole before it begins, and nothing of it reads on.
if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
    printf 'The user %s may not become root without a password.\n' "$(id -un)" >&2
    printf 'Set server.user to root, or allow it: %s ALL=(ALL) NOPASSWD: ALL in /etc/sudoers.d/%s\n' \
        "$(id -un)" "$(id -un)" >&2
    exit 1
fi
root=
[ "$(id -u)" = 0 ] || root='sudo -n'
# shellcheck disable=SC2086  # root is a command with its options, or nothing
exec $root env CHECK="${CHECK:-}" SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s <<'END_OF_STEP'
