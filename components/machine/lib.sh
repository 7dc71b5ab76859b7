# What the steps share. A step makes what differs and says so; with CHECK set it only says so, and ends with 3.
# A connection that is cut does not stop it: what is printed is lost then, and the rest is done.
set -eu
trap '' HUP PIPE
export LC_ALL=C DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

OWN=/etc/monopco # what the steps know of this server, for all stacks
LOG=/var/log/monopco/setup.log
DEPLOYERS=$OWN/deployers/$STEP
DEPLOYERS_KEPT=5
APT_SECONDS=600
CHANGES=

exec 3>&1 4>&2 # what a person reads, also while other output goes to the log

say() { printf '%s\n' "$*" >&3 || true; }

# fail LINE…
fail() {
    printf '%s\n' "$@" >&4 || true
    exit 1
}

# The same step of another run is waited for; a check waits for nobody.
alone() {
    [ -z "$CHECK" ] || return 0
    mkdir -p "$OWN" "${LOG%/*}"
    exec 9>"/run/lock/monopco-$STEP"
    flock --nonblock 9 && return 0
    say 'Another run is at this step; waiting for it.'
    flock 9
}

# change WHAT COMMAND…: says what differs and mends it.
change() {
    say "$1"
    CHANGES=yes
    shift
    [ -n "$CHECK" ] || run "$@"
}

# run COMMAND…: what it prints goes to the log; when it fails, its last words are told.
run() {
    printf '%s  %s\n' "$(date '+%F %T')" "$*" >>"$LOG"
    start=$(wc -l <"$LOG")
    "$@" </dev/null >>"$LOG" 2>&1 || fail "$* failed:" "$(tail -n "+$((start + 1))" "$LOG" | tail -n 15)" "(all of it: $LOG)"
}

# put FILE MODE TEXT: the file has this text, whole or not at all. Returns 1 when it had it already.
put() {
    if ! [ -e "$1" ]; then
        change "there is no $1" write "$@"
    elif [ "$(cat "$1")" != "$3" ] || [ "$(stat -c %a "$1")" != "$2" ]; then
        change "$1 is not as it should be" write "$@"
    else
        return 1
    fi
}

write() {
    mkdir -p "${1%/*}" && printf '%s\n' "$3" >"$1.monopco-new" && chmod "$2" "$1.monopco-new" &&
        sync "$1.monopco-new" && mv "$1.monopco-new" "$1"
}

# running SERVICE: it runs, now and after a restart of the machine.
running() {
    systemctl is-enabled --quiet "$1" || change "$1 does not start with the machine" systemctl enable "$1"
    systemctl is-active --quiet "$1" || change "$1 does not run" systemctl start "$1"
}

installed() { dpkg-query --show --showformat '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed; }

# packages NAME…: they are installed.
packages() {
    missing=
    for package in "$@"; do
        installed "$package" || missing="$missing $package"
    done
    # shellcheck disable=SC2086  # missing is a list
    [ -z "$missing" ] || change "packages that are missing:$missing" apt install --no-install-recommends $missing
}

# apt COMMAND…: apt-get, once nobody else is at it.
apt() {
    await_apt
    # Nothing that an installation starts may hold on to the connection or to a lock.
    flock --close /run/lock/monopco-apt apt-get -q -y -o DPkg::Lock::Timeout=60 -o Acquire::Retries=3 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" 3>&- 4>&- 9>&-
}

# hold PACKAGE: its version stays. Unlike apt-get, this does not wait for others by itself.
hold() {
    tries=0
    until await_apt && flock --close /run/lock/monopco-apt apt-mark hold "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 10 ] || return 1
        sleep 1
    done
}

await_apt() {
    waited=0
    until [ -z "$(apt_holder)" ]; do
        [ "$waited" -lt "$APT_SECONDS" ] ||
            fail "apt has been used by $(apt_holder) for $APT_SECONDS s." \
                'Look what it does, end it if it hangs, and run this again.'
        [ "$waited" != 0 ] || say "apt is used by $(apt_holder); waiting until it has ended."
        sleep 2
        waited=$((waited + 2))
    done
}

apt_holder() {
    find /proc/[0-9]*/fd \( -lname '/var/lib/dpkg/lock*' -o -lname '/var/lib/apt/lists/lock' \
        -o -lname '/var/cache/apt/archives/lock' \) 2>/dev/null | cut -d / -f 3 | sort -un | while read -r process; do
        printf '%s (process %s)\n' "$(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null | sed 's/ $//')" "$process"
    done | head -n 1
}

# each LIST COMMAND…: the command with each line of a list behind it, as words.
each() {
    list=$1
    shift
    while read -r line; do
        # shellcheck disable=SC2086  # line is a list
        [ -z "$line" ] || "$@" $line
    done <<END
$list
END
}

in_container() { systemd-detect-virt --quiet --container; }

# Addresses that deploys came from when this step ran, the newest first: they are never limited or banned.
deployers() { cat "$DEPLOYERS" 2>/dev/null || true; }

remember_deployer() {
    address=${SSH_CONNECTION%% *}
    case $CHECK$address in
        '' | *[!0-9a-f.:]*) return 0 ;;
    esac
    deployers | grep -qxF "$address" ||
        write "$DEPLOYERS" 644 "$(printf '%s\n' "$address" "$(deployers)" | sed '/^$/d' | head -n "$DEPLOYERS_KEPT")"
}

# The last thing that a step does.
finish() {
    [ -z "$CHECK" ] || [ -z "$CHANGES" ] || exit 3
    [ -n "$CHANGES" ] || say 'as it should be'
    exit 0
}
