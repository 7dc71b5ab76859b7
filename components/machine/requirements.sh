# Refuses a server that the rest would fail on, with all that is missing. Changes nothing.
[ -z "$CHECK" ] || exit 0
short=

# lacks WHAT: one thing that is missing.
lacks() {
    short="$short
  - $1"
}

# shellcheck source=/dev/null
. /etc/os-release
case "$ID $VERSION_ID" in
    'debian 12' | 'debian 13' | 'ubuntu 22.04' | 'ubuntu 24.04') ;;
    *) lacks "system: $PRETTY_NAME is not supported; Debian 12, Debian 13, Ubuntu 22.04 and Ubuntu 24.04 are" ;;
esac
case $(uname -m) in
    x86_64 | aarch64) ;;
    *) lacks "processor: $(uname -m); the images are made for x86_64 and aarch64" ;;
esac
[ -d /run/systemd/system ] || lacks 'systemd: it does not run; it starts and watches everything here'
processors=$(nproc)
[ "$processors" -ge "$PROCESSORS" ] || lacks "processors: $processors; $PROCESSORS are needed"
memory=$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)
[ "$memory" -ge "$MEMORY_MB" ] || lacks "memory: $memory MB; $MEMORY_MB MB are needed (a server of 2 GB)"
# Size and what is free, in MB.
disk=$(df -Pk / | awk 'NR == 2 { print int($2 / 1024), int($4 / 1024) }')
[ "${disk% *}" -ge "$DISK_MB" ] || lacks "disk: ${disk% *} MB; $DISK_MB MB are needed (a server of 20 GB)"
[ "${disk#* }" -ge "$FREE_DISK_MB" ] || lacks "free disk: ${disk#* } MB; $FREE_DISK_MB MB are needed"
[ -z "$short" ] || fail "This server cannot be used; nothing was changed on it.$short" \
    "Take another one, and set server.host to it."
say "$PRETTY_NAME, $processors processors, $memory MB, ${disk#* } of ${disk% *} MB free"
