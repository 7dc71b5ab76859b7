# sshd: keys only, and nothing that ssh-audit finds weak.
DROP_IN=/etc/ssh/sshd_config.d/00-monopco.conf
MAIN=/etc/ssh/sshd_config
FIRST="Include $DROP_IN" # what is set first counts, whatever other files say

# known KIND NAME…: those that this sshd can do, with commas between.
known() {
    kind=$1
    shift
    for name in "$@"; do
        ! ssh -Q "$kind" | grep -qxF "$name" || printf '%s,' "$name"
    done | sed 's/,$//'
}

# Since version 9.8 sshd itself shuts out who fails.
exempt() {
    addresses=$(deployers | paste -s -d ,)
    [ -z "$addresses" ] || ! sshd -T 2>/dev/null | grep -q '^persourcepenalties' ||
        printf 'PerSourcePenaltyExemptList %s\n' "$addresses"
}

alone
remember_deployer
mkdir -p /run/sshd # where sshd is started by a socket it may be missing
TEXT="# Written by monopco.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
MaxAuthTries 4
LoginGraceTime 30
MaxStartups 20:30:100
MaxSessions 50
ClientAliveInterval 60
ClientAliveCountMax 3
X11Forwarding no
AllowAgentForwarding no
PermitUserEnvironment no
KexAlgorithms $(known kex mlkem768x25519-sha256 sntrup761x25519-sha512 sntrup761x25519-sha512@openssh.com \
    curve25519-sha256 curve25519-sha256@libssh.org diffie-hellman-group18-sha512 diffie-hellman-group16-sha512)
Ciphers $(known cipher chacha20-poly1305@openssh.com aes256-gcm@openssh.com aes128-gcm@openssh.com \
    aes256-ctr aes192-ctr aes128-ctr)
MACs $(known mac hmac-sha2-512-etm@openssh.com hmac-sha2-256-etm@openssh.com umac-128-etm@openssh.com)
HostKeyAlgorithms $(known HostKeyAlgorithms ssh-ed25519 rsa-sha2-512 rsa-sha2-256 "$HOST_KEY_TYPE")
$(exempt)"
TEXT=$(printf '%s' "$TEXT") # without an empty last line

# loose: what sshd does that it should not, wherever it was set, also for some users only.
loose() {
    sshd -T -C user=root,host=server,addr=192.0.2.1 2>/dev/null | grep -xE \
        '(password|kbdinteractive)authentication yes|permitrootlogin yes|permitemptypasswords yes|pubkeyauthentication no'
}

if [ "$(head -n 1 "$MAIN")" != "$FIRST" ] || [ "$(cat "$DROP_IN" 2>/dev/null)" != "$TEXT" ] ||
    [ "$(stat -c %a "$DROP_IN")" != 644 ]; then
    undoable 'systemctl reload-or-restart ssh' "$DROP_IN" "$MAIN"
    put "$DROP_IN" 644 "$TEXT" || true
    put "$MAIN" "$(stat -c %a "$MAIN")" "$FIRST
$(grep -vxF "$FIRST" "$MAIN")" || true
    if [ -z "$CHECK" ]; then
        refused=$(sshd -t 2>&1) || {
            exec 9>&- # which it waits for
            sh "$UNDO.sh"
            fail "sshd refuses its configuration, so that of before is back:" "$refused"
        }
        run systemctl reload-or-restart ssh
    fi
fi
found=$(loose) || true
if [ -n "$found" ]; then
    CHANGES=yes
    say "sshd is looser than it should be: $found"
    [ -n "$CHECK" ] || fail "A Match block sets it. Find it: grep -ri -A 9 '^ *match' $MAIN ${DROP_IN%/*}"
fi
systemctl is-enabled --quiet ssh.socket 2>/dev/null || running ssh # Ubuntu starts it when somebody knocks
unconfirmed
