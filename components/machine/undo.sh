# A change that could lock everybody out is undone after a minute, by a timer that also lives through a restart of
# the machine, unless it is confirmed over a new connection.
UNDO_SECONDS=60
UNDO=/var/lib/monopco/undo/$STEP
UNIT=monopco-undo-$STEP

# undoable RELOAD FILE…: from here on. RELOAD makes the files of before take effect.
undoable() {
    [ -z "$CHECK" ] || return 0
    if [ ! -d "$UNDO" ]; then # otherwise an unconfirmed change is changed once more: what was before that counts
        rm -rf "$UNDO.new"
        mkdir -p "$UNDO.new"
        chmod 700 "$UNDO.new"
        printf '%s\n' "$1" >"$UNDO.new/reload"
        shift
        kept=
        for file in "$@"; do
            if [ -e "$file" ]; then kept="$kept ${file#/}"; else printf '%s\n' "$file" >>"$UNDO.new/absent"; fi
        done
        # shellcheck disable=SC2086  # kept is a list
        tar --create --directory / --file "$UNDO.new/before.tar" $kept
        sync "$UNDO.new"
        mv "$UNDO.new" "$UNDO"
    fi
    rm -f "$UNDO.undone"
    write "/etc/systemd/system/$UNIT.service" 644 "[Unit]
Description=Undo a change of $STEP that nobody has confirmed

[Service]
Type=oneshot
ExecStart=/bin/sh $UNDO.sh"
    write "/etc/systemd/system/$UNIT.timer" 644 "[Unit]
Description=Undo a change of $STEP that nobody confirms

[Timer]
OnActiveSec=$UNDO_SECONDS
AccuracySec=1s

[Install]
WantedBy=timers.target"
    write "$UNDO.sh" 700 "set -eu
exec 9>/run/lock/monopco-$STEP
flock 9
[ -d $UNDO ] || exit 0
rm -f \$(cat $UNDO/absent 2>/dev/null)
tar --extract --preserve-permissions --directory / --file $UNDO/before.tar
sh $UNDO/reload
touch $UNDO.undone
rm -rf $UNDO
systemctl disable --quiet --now $UNIT.timer"
    systemctl daemon-reload
    systemctl enable --quiet "$UNIT.timer"
    systemctl restart "$UNIT.timer"
}

# The minute begins when all is done. What is printed last differs with every change, so that each one is confirmed.
unconfirmed() {
    [ -z "$CHECK" ] || finish
    if [ -d "$UNDO" ]; then
        systemctl stop "$UNIT.service" 2>/dev/null
        systemctl restart "$UNIT.timer"
        say "change of $(date '+%F %T.%N'), undone in $UNDO_SECONDS s unless it is confirmed"
        exit 0
    fi
    rm -f "$UNDO.undone"
    finish
}
