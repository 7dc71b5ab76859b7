# UFW: nothing comes in but SSH, limited, and the ports of the stacks. Docker's published ports go round UFW's own
# rules, so its chain DOCKER-USER is closed to all but those ports, too; what containers send out goes on.
PORTS_OF=$OWN/ports.d # a file of ports for each stack; whoever wants more puts one of his own there
BEGIN='# BEGIN monopco'
END='# END monopco'
RELOAD='iptables -w -F DOCKER-USER 2>/dev/null || true
ip6tables -w -F DOCKER-USER 2>/dev/null || true
if grep -qi "^ENABLED=yes" /etc/ufw/ufw.conf; then ufw reload; else ufw --force disable; fi'

# The addresses of the other servers of the swarm, as this one finds them.
others() {
    for other in ${OTHERS:-}; do
        found=$(getent ahostsv4 "$other" | cut -d ' ' -f 1 | head -n 1)
        [ -n "$found" ] || fail "This server cannot find the address of $other (server.nodes, server.host)." \
            'Give it as an address: server.address, and address in server.nodes.'
        printf '%s\n' "$found"
    done
}

ports() { { printf '%s\n' "$PORTS" && cat "$PORTS_OF"/* 2>/dev/null || true; } | tr -s ' ' '\n' | sort -un; }

# As `ufw show added` prints them. The first one that fits counts, so those of the deployers come first.
wanted_rules() {
    sshd -T 2>/dev/null | sed -n 's/^port //p' | while read -r port; do
        deployers | sed "s|.*|allow from & to any port $port proto tcp|"
        printf 'limit %s/tcp\n' "$port"
    done
    printf '%s\n' "$neighbours" | sed '/^$/d' | while read -r other; do
        printf 'allow from %s to any port %s proto %s\n' "$other" 2377 tcp "$other" 4789 udp "$other" 7946 tcp "$other" 7946 udp
        # What is encrypted comes as a protocol of its own.
        printf 'allow from %s proto esp\n' "$other"
    done
    ports | sed 's|$|/tcp|; s|^|allow |'
}

rules() { ufw show added 2>/dev/null | sed -n 's/^ufw //p'; }

# lacking LIST OTHER: the lines of one list that the other has not.
lacking() { printf '%s\n' "$1" | grep -vxF "$2" | sed '/^$/d' || true; }

# docker_rules: of the chain, in order. To published ports packets come with another destination; --ctorigdst tells
# the one that they were sent to.
docker_rules() {
    printf '%s\n' '-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN'
    for bridge in docker0 docker_gwbridge br-+; do
        printf '%s\n' "-i $bridge -j RETURN"
    done
    ports | sed 's|.*|-p tcp -m conntrack --ctstate DNAT --ctorigdstport & -j RETURN|'
    printf '%s\n' '-m conntrack --ctstate DNAT -j DROP'
    # Without a published port: straight to the container, by whoever is on the same network.
    for bridge in docker0 docker_gwbridge br-+; do
        printf '%s\n' "-o $bridge -j DROP"
    done
}

# closed FILE: the file's text with the chain.
closed() {
    sed "/^$BEGIN\$/,/^$END\$/d" "$1"
    printf '%s\n' "$BEGIN" '*filter' ':DOCKER-USER - [0:0]'
    docker_rules | sed 's/^/-A DOCKER-USER /'
    printf '%s\n' COMMIT "$END"
}

# Whether the kernel has the chain as the file has it.
in_force() {
    [ "$("$1" -w -S DOCKER-USER 2>/dev/null | grep -c '^-A DOCKER-USER .*-j DROP')" -ge 4 ] || return 1
    docker_rules | while read -r rule; do
        # shellcheck disable=SC2086  # rule is a list
        "$1" -w -C DOCKER-USER $rule 2>/dev/null || exit 1
    done
}

missing() { change "a rule is missing: $*" ufw "$@"; }
foreign() { change "a rule that is not ours: $*" ufw --force delete "$@"; }
active() { grep -qxi 'ENABLED=yes' /etc/ufw/ufw.conf && ufw status | grep -qx 'Status: active'; }
policies() { grep -cxE 'DEFAULT_(INPUT|FORWARD)_POLICY="(DROP|REJECT)"|DEFAULT_OUTPUT_POLICY="ACCEPT"' /etc/default/ufw; }
defaults() { ufw default deny incoming && ufw default allow outgoing && ufw default deny routed; }

alone
remember_deployer
put "$PORTS_OF/$STACK" 644 "$PORTS" || true
neighbours=$(others) || exit 1
wanted=$(wanted_rules)
present=$(rules)
more=$(lacking "$wanted" "$present")
less=$(lacking "$present" "$wanted")
after=$(closed /etc/ufw/after.rules)
after6=$(closed /etc/ufw/after6.rules)
if [ -n "$more$less" ] || ! active || [ "$(policies)" != 3 ] || ! in_force iptables ||
    ! in_force ip6tables || [ "$(cat /etc/ufw/after.rules)" != "$after" ] ||
    [ "$(cat /etc/ufw/after6.rules)" != "$after6" ]; then
    undoable "$RELOAD" /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/after.rules /etc/ufw/after6.rules \
        /etc/ufw/ufw.conf /etc/default/ufw
    # First what is let in, then what is not any more.
    each "$(printf '%s\n' "$more" | grep '^allow from')" missing prepend
    each "$(printf '%s\n' "$more" | grep -v '^allow from')" missing
    each "$less" foreign
    [ "$(policies)" = 3 ] || change 'what no rule is about was not refused' defaults
    put /etc/ufw/after.rules 640 "$after" || true
    put /etc/ufw/after6.rules 640 "$after6" || true
    if ! active; then
        change 'the firewall is off' ufw --force enable
    elif [ -z "$CHANGES" ]; then
        change 'what Docker publishes is not closed' true
    fi
    if [ -z "$CHECK" ]; then
        run ufw reload # to enable it does nothing when an earlier run got half-way
        { in_force iptables && in_force ip6tables; } || fail 'The rules for what Docker publishes are not in force:' \
            "$(iptables -S DOCKER-USER 2>&1)" "$(ip6tables -S DOCKER-USER 2>&1)"
    fi
fi
running ufw
unconfirmed
