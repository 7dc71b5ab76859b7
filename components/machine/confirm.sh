# That this runs shows that a new connection can be made: the change stays.
[ -z "$CHECK" ] || exit 0
alone
if [ -d "$UNDO" ]; then
    systemctl disable --quiet --now "$UNIT.timer"
    mv "$UNDO" "$UNDO.old" # in one step
    rm -rf "$UNDO.old"
    say 'confirmed'
elif [ -e "$UNDO.undone" ]; then
    fail "The change of $STEP was undone by itself: no new connection could be made within $UNDO_SECONDS s." \
        'The server is as it was before. ./monopco up makes the change again; if it ends like this once more, look at' \
        "what differs for new connections: journalctl -u ssh, ufw status verbose, $LOG on the server."
else
    say 'nothing to confirm'
fi
