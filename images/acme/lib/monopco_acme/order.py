"""Sees to it that the proxy has the certificate that the settings ask for: orders, renews, installs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

from monopco_acme import places, reasons
from monopco_acme.certificate import Certificate, forget_old
from monopco_acme.settings import Settings
from monopco_acme.state import State

LOOK_SECONDS = 12 * 3600
JITTER_SECONDS = 3600
SOONEST_SECONDS = 5


def main(arguments: list[str]) -> int:
    begun = time.time()
    by_timer = arguments == ["--due"]
    with places.LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        settings = Settings.read()
        reason = _order_if_due(settings, begun, by_timer=by_timer)
    if reason:
        print(reason, file=sys.stderr)
    if by_timer:
        print(_seconds_until_next_look(settings))
        return 0
    _wake_the_timer()
    return 1 if reason else 0


def _wake_the_timer() -> None:
    """It chose its next look by what was there before."""
    with contextlib.suppress(OSError, ValueError):
        process = int(places.SLEEP.read_text())
        if Path(f"/proc/{process}/comm").read_text() == "sleep\n":
            os.kill(process, signal.SIGTERM)


def _order_if_due(settings: Settings, begun: float, *, by_timer: bool) -> str:
    """Why there is no such certificate; empty when there is one."""
    state, present = State.read(settings.digest), Certificate.read()
    fits = present is not None and present.fits(settings)
    if present and fits and time.time() < present.due:
        present.install()
        if not by_timer:
            print(f"in use: {present}")
        return ""
    waits = by_timer or state.told or (not fits and state.failed_at >= begun)
    if state.failures and waits and (time.time() < state.retry_at):
        return "" if by_timer else state.reason
    reason = _order(settings, state)
    if reason and present and fits and time.time() < present.end:
        # A renewal that fails while the certificate is good is the timer's business, and `status` tells of it.
        print(reason, file=sys.stderr)
        return ""
    return reason


def _order(settings: Settings, state: State) -> str:
    """Order now. Returns what went wrong; empty when the new certificate is installed."""
    places.TROUBLE.unlink(missing_ok=True)
    shutil.rmtree(places.LOGS, ignore_errors=True)
    done = subprocess.run(_certbot(settings), env=_environment(settings), capture_output=True, text=True, check=False)
    present = Certificate.read()
    if done.returncode == 0 and present:
        places.write(places.ORDERED, json.dumps(settings.order) + "\n")
        present.install()
        State(settings=settings.digest).write()
        forget_old()
        print(f"new: {present}", file=sys.stderr)
        return ""
    log = places.LOGS / "letsencrypt.log"
    found = reasons.problems(
        done.stdout + done.stderr,
        log.read_text(errors="replace") if log.exists() else "",
        places.TROUBLE.read_text() if places.TROUBLE.exists() else "",
    )
    failed = state.failed(settings.digest, "", time.time(), reasons.retry_time(found))
    reason = (
        f"No certificate for {', '.join(settings.names)} from {settings.directory}:\n"
        f"{reasons.explain(found, settings)}\n"
        "  Meanwhile the site is served as before. The next try by itself is at "
        f"{_clock(failed.retry_at)}; ./monopco up tries {'then, too' if failed.told else 'at once'}."
    )
    State(**{**vars(failed), "reason": reason}).write()
    return reason


def _certbot(settings: Settings) -> list[str]:
    command = [
        *("certbot", "certonly", "--non-interactive", "--agree-tos", "--no-eff-email", "--email", settings.email),
        *("--server", settings.directory, "--cert-name", places.LINEAGE),
        *("--config-dir", str(places.CERTBOT), "--work-dir", "/run/certbot-work", "--logs-dir", str(places.LOGS)),
        # A new key each time: one that is stolen is worth nothing after the next renewal.
        *("--force-renewal", "--renew-with-new-domains", "--no-reuse-key", "--key-type", "ecdsa"),
        *("--no-directory-hooks", "--max-log-backups", "0", "--user-agent-comment", "monopco"),
    ]
    for name in settings.names:
        command += ["--domain", name]
    if settings.profile:
        command += ["--required-profile", settings.profile]
    if settings.challenge == "dns-01":
        hook = f"{sys.executable} -m monopco_acme.challenge"
        command += ["--manual", "--preferred-challenges", "dns"]
        command += ["--manual-auth-hook", f"{hook} present", "--manual-cleanup-hook", f"{hook} clean"]
    else:
        command += ["--webroot", "--webroot-path", str(places.WEBROOT)]
    return command


def _environment(settings: Settings) -> dict[str, str]:
    if not settings.authority:
        return dict(os.environ)
    places.write(places.AUTHORITY, settings.authority)
    return {**os.environ, "REQUESTS_CA_BUNDLE": str(places.AUTHORITY)}


def _seconds_until_next_look(settings: Settings) -> int:
    """Not on the hour, as everybody does."""
    now = time.time()
    until = now + LOOK_SECONDS + random.uniform(-JITTER_SECONDS, JITTER_SECONDS)  # noqa: S311 - nothing to guess
    state, present = State.read(settings.digest), Certificate.read()
    if state.failures:
        until = min(until, state.retry_at)
    elif present:
        until = min(until, present.due)
    return max(int(until - now) + 1, SOONEST_SECONDS)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
