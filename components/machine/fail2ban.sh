# fail2ban: who fails to log in again and again is shut out; who deploys never is.
JAIL="# Written by monopco.
[DEFAULT]
ignoreip = 127.0.0.1/8 ::1 ADDRESSES
banaction = nftables-multiport
banaction_allports = nftables-allports
bantime = 1h
bantime.increment = true
bantime.maxtime = 1w
findtime = 10m
maxretry = 5

[sshd]
enabled = true
mode = aggressive
# There is no auth.log without rsyslog, and newer versions of sshd have other programs log.
backend = systemd
journalmatch = _SYSTEMD_UNIT=ssh.service
port = PORT"

alone
remember_deployer
ports=$(sshd -T 2>/dev/null | sed -n 's/^port //p' | paste -s -d ,)
text=$(printf '%s\n' "$JAIL" | sed "s|ADDRESSES|$(deployers | paste -s -d ' ')|; s|PORT|$ports|")
if put /etc/fail2ban/jail.d/monopco.local 644 "$text" && [ -z "$CHECK" ]; then
    run fail2ban-client --test
    run systemctl restart fail2ban
fi
running fail2ban
# It answers a moment after it was started.
answers() {
    tries=0
    until fail2ban-client status sshd >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ -z "$CHECK" ] && [ "$tries" -lt 100 ] || return 1
        sleep 0.2
    done
}
answers || {
    CHANGES=yes
    say 'fail2ban does not watch sshd'
    [ -n "$CHECK" ] || fail "$(journalctl --unit fail2ban --lines 10 --no-pager --output cat)"
}
finish
