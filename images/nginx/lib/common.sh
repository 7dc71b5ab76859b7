# shellcheck shell=sh
# Shared by the tools: where things are, how to speak to the running nginx, how to fail.
# shellcheck disable=SC2034  # used by the tools
STATE=/var/lib/monopco
RUNNING=/run/monopco/nginx.conf

fail() {
    printf '%s: %s\n' "${0##*/}" "$1" >&2
    exit "${2:-1}"
}

# admin METHOD PATH [OPTION...]: the body of the answer on standard output; on standard error, and 1, when it is an
# error. The options are curl's.
admin() {
    method=$1
    path=$2
    shift 2
    if answer=$(curl --silent --show-error --fail-with-body --max-time 600 "$@" --request "$method" \
        --unix-socket /run/monopco/admin.sock "http://proxy$path" 2>&1); then
        printf '%s\n' "$answer"
    else
        printf '%s\n' "$answer" >&2
        return 1
    fi
}

# A container that was started a moment ago may not have got so far.
await_nginx() {
    tries=0
    until admin GET /status >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail "nginx does not run in this container; its log says why"
        sleep 0.1
    done
}

# One tool changes the proxy at a time; the next one waits.
alone() {
    exec 9>>/run/monopco/lock
    flock 9
}

# The report of a switch is JSON on the first line; when the release was taken back, a second line says so to a person.
print_report() {
    printf '%s\n' "$1" | sed -n 1p
    printf '%s\n' "$1" | sed -n 2p >&2
}
