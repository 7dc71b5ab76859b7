# Everything up to date, security fixes by themselves from then on, and what the other steps need.
AUTOMATIC='// Written by monopco.
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";
Unattended-Upgrade::Automatic-Reboot "false";
Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";'

alone
if [ -z "$CHECK" ]; then
    await_apt
    # A machine that went down in the middle of an installation: what was just being unpacked is brought anew.
    dpkg --configure -a >>"$LOG" 2>&1 || true
    run apt update
    half=$(dpkg-query --show --showformat '${db:Status-Eflag} ${binary:Package}\n' | sed -n 's/^reinstreq //p')
    # shellcheck disable=SC2086  # half is a list
    [ -z "$half" ] || change "packages that are half installed: $half" apt install --reinstall $half
    run dpkg --configure -a
    [ "$(apt-get -s -q upgrade | grep -c '^Inst ')" = 0 ] ||
        change 'bringing all packages up to date' apt upgrade --with-new-pkgs
fi
packages ca-certificates cron fail2ban iptables logrotate nftables openssh-server python3 python3-systemd ufw \
    unattended-upgrades
put /etc/apt/apt.conf.d/52monopco 644 "$AUTOMATIC" || true
running unattended-upgrades
for timer in apt-daily.timer apt-daily-upgrade.timer; do
    running "$timer"
done
finish
