#!/bin/sh
# Sourced by check and migrate: a connection that arrives on standard input, in a tar archive or several in a row.
# Files in it: connection (lines NAME=VALUE of libpq's environment), pgpass (the password), ca.pem (optional).

tool=${0##*/}

refuse() {
    status=$1
    shift
    printf '%s: %s\n' "$tool" "$1" >&2
    [ $# -lt 2 ] || printf '%s\n' "$2" >&2
    exit "$status"
}

# Unpacks into a folder that is removed at exit, and makes it the working directory.
unpack() {
    umask 077
    folder=$(mktemp -d) || refuse 2 "cannot write to /tmp; mount a tmpfs there"
    trap 'rm -rf "$folder"' EXIT
    cd "$folder" || exit 2
    tar --extract --no-same-owner --no-overwrite-dir --ignore-zeros 2>/dev/null ||
        refuse 2 "standard input must be a tar archive"
    chmod -R u+rwX .
    for name in connection pgpass; do
        [ -f "$name" ] || refuse 2 "the archive has no file $name"
    done
    chmod 0600 pgpass
    read_connection
}

# Only names that libpq knows, because other clients put options of their own into a database URL.
read_connection() {
    while IFS='=' read -r name value; do
        case $name in
            PGHOST | PGHOSTADDR | PGPORT | PGDATABASE | PGUSER | PGOPTIONS | PGAPPNAME | PGCONNECT_TIMEOUT | \
                PGSSLMODE | PGSSLROOTCERT | PGSSLNEGOTIATION | PGSSLSNI | PGSSLMINPROTOCOLVERSION | \
                PGCHANNELBINDING | PGREQUIREAUTH | PGGSSENCMODE | PGTARGETSESSIONATTRS)
                export "$name=$value"
                ;;
            '') ;;
            *) printf '%s: %s is not an option of PostgreSQL and is ignored\n' "$tool" "$name" >&2 ;;
        esac
    done <connection
    export PGPASSFILE="$folder/pgpass" PGCLIENTENCODING=UTF8 LC_ALL=C
    if [ -f ca.pem ]; then
        export PGSSLROOTCERT="$folder/ca.pem"
    elif [ "${PGSSLMODE:-}" = verify-full ]; then
        export PGSSLROOTCERT="${PGSSLROOTCERT:-system}"
    fi
}

# Prints the server's version, or says what is wrong and exits with the number of that kind of failure.
connect() {
    export PGCONNECT_TIMEOUT="${PGCONNECT_TIMEOUT:-5}"
    if answer=$(timeout 15 psql --no-psqlrc --no-password --tuples-only --no-align --set=ON_ERROR_STOP=1 \
        --command='SHOW server_version' --command='\conninfo' 2>connect.err); then
        tls=$(printf '%s' "$answer" | sed -n 's/.*SSL connection (protocol: \([^,]*\),.*/\1/p')
        printf 'PostgreSQL %s at %s, %s\n' "$(printf '%s' "$answer" | head -n 1)" "$(place)" "${tls:-not encrypted}"
    else
        explain "$(cat connect.err)"
    fi
}

place() {
    printf '%s:%s/%s as %s' "${PGHOST:-}" "${PGPORT:-5432}" "${PGDATABASE:-}" "${PGUSER:-}"
}

# libpq names no codes for a failed connection, so its words decide. It tries all addresses, with TLS and without, and
# tells of every try: what a server said about the user weighs more than that another try was not encrypted.
explain() {
    case $1 in
        *'could not translate host name'* | *'could not parse network address'*)
            kind=10 advice='there is no host of this name; correct the host in the URL' ;;
        *'password authentication failed'* | *'no password supplied'* | *'empty password'* | \
            *'Tenant or user not found'*)
            kind=14 advice='user or password is refused; correct them in the URL' ;;
        *'database "'*'does not exist'*)
            kind=15 advice='the server has no database of this name; create it, or correct the name in the URL' ;;
        *'too many '* | *'connection slots'* | *'starting up'* | *'shutting down'* | *'recovery mode'* | \
            *'not accepting connections'*)
            kind=16 advice='the server is there but takes no connection now; try again, or free connections' ;;
        *'pg_hba.conf rejects'* | *'no pg_hba.conf entry'*'SSL encryption'* | \
            *'permission denied for database'* | *'not permitted to log in'*)
            kind=17 advice='the server does not let this user in from here; allow it there' ;;
        *certificate* | *'SSL'* | *'no encryption'* | *sslmode* | *sslrootcert* | *weak*)
            kind=13 advice='TLS failed; look at sslmode, at the name in the certificate, and at who signed it' ;;
        *'Connection refused'*)
            kind=11 advice='nothing listens there; correct host and port in the URL, or start the server' ;;
        *unreachable* | *'No route to host'* | *'Cannot assign requested address'*)
            kind=12 advice='there is no way to this address; if it is of IPv6 only, use an IPv4 pooler' ;;
        '' | *'timeout expired'* | *'timed out'*)
            kind=12 advice='no answer in time; correct host and port, or open the firewall for this machine' ;;
        *)
            kind=18 advice='the connection failed' ;;
    esac
    refuse "$kind" "$(place): $advice" "$1"
}
