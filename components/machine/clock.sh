# The right time: certificates, tokens and logs need it.
alone
for service in chrony ntpsec ntp; do
    if installed "$service"; then
        running "$service"
        finish
    fi
done
packages systemd-timesyncd
systemctl is-enabled --quiet systemd-timesyncd ||
    change 'the clock is not kept right' systemctl enable systemd-timesyncd
# A container has the clock of its machine.
in_container || running systemd-timesyncd
finish
