# What is logged has a limit. Containers have theirs from Docker's settings.
alone
if put /etc/systemd/journald.conf.d/monopco.conf 644 '# Written by monopco.
[Journal]
Storage=persistent
SystemMaxUse=500M
SystemKeepFree=1G
MaxRetentionSec=3month' && [ -z "$CHECK" ]; then
    run systemctl restart systemd-journald
fi
put /etc/logrotate.d/monopco 644 "# Written by monopco.
${LOG%/*}/*.log {
    monthly
    rotate 6
    compress
    missingok
    notifempty
}" || true
running logrotate.timer
finish
