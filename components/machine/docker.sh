# Docker Engine: that of the distribution, or the one that is there. Its version stays until somebody lets it go on.
alone
if ! command -v dockerd >/dev/null; then
    client=
    [ -z "$(apt-cache madison docker-cli 2>/dev/null)" ] || client=docker-cli # Debian 13 has it apart
    # shellcheck disable=SC2086  # client is a package or nothing
    packages docker.io $client
fi

# settings FILE: the file's text with our settings, those of others kept.
settings() {
    python3 - "$1" <<END
import json, pathlib, sys

path = pathlib.Path(sys.argv[1])
given = json.loads(path.read_text() or "{}") if path.exists() else {}
ours = {"live-restore": ${LIVE_RESTORE:-True}, "log-driver": "json-file", "log-opts": {"max-size": "10m", "max-file": "5"}}
print(json.dumps({**given, **ours}, indent=4))
END
}
text=$(settings /etc/docker/daemon.json) ||
    fail '/etc/docker/daemon.json is not JSON; mend it or remove it, and run this again.'
if put /etc/docker/daemon.json 644 "$text" && [ -z "$CHECK" ]; then
    # In this order: with live-restore, which a reload sets, containers live through the restart. A swarm cannot have it.
    run systemctl daemon-reload
    systemctl reload docker >>"$LOG" 2>&1 || true
    run systemctl restart docker
fi
running docker
for package in docker.io docker-cli docker-ce docker-ce-cli containerd containerd.io runc; do
    ! installed "$package" || apt-mark showhold | grep -qx "$package" ||
        change "the version of $package is not held" hold "$package"
done
if [ -z "$CHECK" ]; then
    docker version --format 'Docker {{.Server.Version}}' 2>>"$LOG" ||
        fail 'Docker does not answer:' "$(journalctl --unit docker --lines 10 --no-pager --output cat)"
fi
if [ -n "${ENCRYPTED:-}" ]; then
    modprobe esp4 2>/dev/null || true
    set -- src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x6d6f6e6f
    # A kernel without it lets Docker make an encrypted network all the same, and nothing gets through.
    if ip xfrm state add "$@" mode transport aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64 \
        2>>"$LOG"; then
        ip xfrm state delete "$@"
    else
        fail 'The kernel of this server cannot encrypt what the servers of a swarm say to each other (IPsec ESP, AES-GCM).' \
            'Take a kernel that can; or, where the network between them is private or encrypted by itself (WireGuard):' \
            'pulumi config set --path monopco:server.encrypted false'
    fi
fi
finish
