# Settings of the kernel: nothing is believed that the network says about routes, and queues are long enough.
FILE=/etc/sysctl.d/90-monopco.conf
SETTINGS='net.ipv4.tcp_syncookies = 1
net.ipv4.conf.all.accept_redirects = 0
net.ipv4.conf.default.accept_redirects = 0
net.ipv6.conf.all.accept_redirects = 0
net.ipv6.conf.default.accept_redirects = 0
net.ipv4.conf.all.send_redirects = 0
net.ipv4.conf.default.send_redirects = 0
net.ipv4.conf.all.accept_source_route = 0
net.ipv4.conf.default.accept_source_route = 0
net.ipv6.conf.all.accept_source_route = 0
net.ipv4.icmp_echo_ignore_broadcasts = 1
net.core.somaxconn = 4096
net.ipv4.tcp_max_syn_backlog = 4096
kernel.dmesg_restrict = 1
kernel.kptr_restrict = 1
fs.protected_hardlinks = 1
fs.protected_symlinks = 1
fs.protected_fifos = 1
fs.protected_regular = 2
vm.swappiness = 10'

alone
put "$FILE" 644 "# Written by monopco.
$SETTINGS" || true
# Of a container only the network is its own. A kernel may be without IPv6.
kinds=.
! in_container || kinds='^net[.]'
setting() {
    path=/proc/sys/$(printf '%s' "$1" | tr . /)
    [ -w "$path" ] || return 0
    now=$(cat "$path")
    [ "$now" = "$3" ] || change "$1 is $now" sysctl -q -w "$1=$3"
}
each "$(printf '%s\n' "$SETTINGS" | grep "$kinds")" setting
finish
