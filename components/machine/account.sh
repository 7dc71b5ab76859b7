# The user that deploys: he logs in by key only, may use Docker, and nobody else may.
KEYS_OF=$OWN/keys.d # a file of keys for each stack; whoever lets somebody else deploy puts one of his own there

alone
getent group docker >/dev/null || change 'there is no group docker' groupadd --system docker
id "$ACCOUNT" >/dev/null 2>&1 ||
    change "there is no user $ACCOUNT" useradd --create-home --shell /bin/bash --comment 'deploys MonOPCO' "$ACCOUNT"
# No password fits, but the account is not locked: sshd would refuse the key, too.
case $(getent shadow "$ACCOUNT" | cut -d : -f 2) in
    '*' | '') ;;
    *) change "$ACCOUNT has a password" usermod --password '*' "$ACCOUNT" ;;
esac
members=$(getent group docker | cut -d : -f 4)
[ "$members" = "$ACCOUNT" ] ||
    change "members of the group docker are: ${members:-nobody}" gpasswd --members "$ACCOUNT" docker

keys=$AUTHORIZED_KEY
if [ -z "$keys" ]; then
    # Whoever may set the server up may deploy, too.
    file=$(getent passwd "${SUDO_USER:-root}" | cut -d : -f 6)/.ssh/authorized_keys
    keys=$(cat "$file" 2>/dev/null) || fail "There is no $file, so it is not known who may deploy." \
        'Give a key: pulumi config set --secret --path monopco:server.privateKey < FILE'
    # Cloud images let root in with a command that only says to use another user.
    keys=$(printf '%s\n' "$keys" | sed 's/^.*command="[^"]*"[^ ]* \(ssh-\|ecdsa-\|sk-\)/\1/')
fi
home=$(getent passwd "$ACCOUNT" | cut -d : -f 6)
home=${home:-/home/$ACCOUNT} # in a check he may be missing
put "$KEYS_OF/$STACK" 644 "$keys" || true
keys=$({ printf '%s\n' "$keys" && cat "$KEYS_OF"/* 2>/dev/null || true; } | sed '/^$/d' | sort -u)
own_keys() { chmod 700 "$home/.ssh" && chown -R "$ACCOUNT:" "$home/.ssh"; }
put "$home/.ssh/authorized_keys" 600 "$keys" || true
owned=$(stat -c '%U %a' "$home/.ssh" "$home/.ssh/authorized_keys" 2>/dev/null | tr '\n' ' ')
[ "$owned" = "$ACCOUNT 700 $ACCOUNT 600 " ] || change "$home/.ssh is not $ACCOUNT's own" own_keys
finish
