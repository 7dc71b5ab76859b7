"""Opens the connection to a server that everything shares, or says in people's words why there is none.

Run by `connect`, beside this file, with the standard library alone. Opening is safe to try again; what the server has
refused is not tried again, since a server bans those who knock too often.
"""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Seconds between attempts: a server that restarts its SSH, or a line that drops, is back by then.
PAUSES = (1, 2, 4, 8)
_DOES_NOT_ANSWER = re.compile(
    r"Connection (refused|timed out|reset)|timed out|No route to host|Network is unreachable|"
    r"Connection closed by|kex_exchange_identification|Broken pipe|Temporary failure in name resolution"
)
_UNKNOWN_NAME = re.compile(r"Could not resolve hostname")
_OTHER_HOST_KEY = re.compile(r"HOST IDENTIFICATION HAS CHANGED|Host key verification failed|host key is known")
_REFUSED = re.compile(r"Permission denied|Too many authentication failures")


def in_words(host: str, user: str, said: str, first_met: Path | None) -> str:
    """What a person should know about a connection that failed; `said` is what ssh wrote.

    `first_met` is the file of the host key that was accepted at the first meeting, when none was given.
    """
    last = next((line.strip().rstrip(".") for line in reversed(said.splitlines()) if line.strip()), "ssh said nothing")
    if _OTHER_HOST_KEY.search(said):
        where = f"the one that was met first; remove {first_met}" if first_met else "server.hostKey; correct that"
        return (
            f"The server {host} shows another host key than it should, so nothing was sent to it: somebody else may be "
            f"answering in its place. If it was set up anew, the key that it should show is {where} "
            f"(on the server's console, /etc/ssh/ssh_host_ed25519_key.pub is the right one)."
        )
    if _REFUSED.search(said):
        return (
            f"The server {host} does not let the user {user} in: {last}. Its ~{user}/.ssh/authorized_keys must hold "
            f"the public key of server.privateKey, or, when that is not set, one of your own keys (ssh-add -l)."
        )
    if _UNKNOWN_NAME.search(said) and "Temporary" not in said:
        return f"There is no server {host}: {last}. Correct server.host, or make its DNS record first."
    if is_transient(said):
        return (
            f"The server {host} does not answer by SSH: {last}. Look whether it is on, whether its firewall lets you "
            f"in, and whether server.host and server.port are right."
        )
    return f"There is no connection to the server {host}: {said.strip() or last}"


def is_transient(said: str) -> bool:
    """Whether another attempt may go better."""
    return bool(_DOES_NOT_ANSWER.search(said)) and not _OTHER_HOST_KEY.search(said) and not _REFUSED.search(said)


def attempts(attempt: Callable[[], str | None], pause: Callable[[float], None] = time.sleep) -> str | None:
    """None once an attempt succeeds, or what the last one said."""
    said = attempt()
    for seconds in PAUSES:
        if said is None or not is_transient(said):
            return said
        pause(seconds)
        said = attempt()
    return said


def _open(config: str, host: str, user: str) -> str | None:
    """None when the connection is there, else what ssh said. It stays when this program ends."""
    command = ["ssh", "-F", config, "-M", "-N", "-f", "-l", user, "--", host]
    # A file, because the connection keeps what it was given open, and a pipe would never end.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, check=False)
        said.seek(0)
        text = said.read()
    if done.returncode == 0:
        sys.stderr.write(_first_meeting(text))
        return None
    return text or f"ssh ended with exit code {done.returncode}"


def _first_met(config: Path) -> Path | None:
    accepts = "StrictHostKeyChecking accept-new" in config.read_text(encoding="utf-8")
    return config.with_name("known_hosts") if accepts else None


def _first_meeting(said: str) -> str:
    """What is worth telling of a connection that was made: that a host key was accepted."""
    return "".join(f"{line}\n" for line in said.splitlines() if "Permanently added" in line)


def _is_there(config: str, host: str, user: str) -> bool:
    command = ["ssh", "-F", config, "-O", "check", "-l", user, "--", host]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def main(arguments: Sequence[str]) -> int:
    config, host, user = arguments
    failure = Path(f"{config}.failure")
    began = time.time()
    with Path(f"{config}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_there(config, host, user):
            return 0
        if failure.is_file() and failure.stat().st_mtime > began:
            words = failure.read_text(encoding="utf-8")  # another one has tried while this one waited
        else:
            said = attempts(lambda: _open(config, host, user))
            if said is None:
                failure.unlink(missing_ok=True)
                return 0
            words = in_words(host, user, said, _first_met(Path(config)))
            failure.write_text(words, encoding="utf-8")
    sys.stderr.write(f"{words}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
