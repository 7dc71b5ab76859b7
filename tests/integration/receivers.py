"""Those who get alerts: a mail server that wants a password, and an address that takes JSON."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.integration.environment import free_ports

# As mail servers ask; aiosmtpd's own words are not what clients expect.
SMTP.AuthLoginUsernameChallenge = "Username:"
SMTP.AuthLoginPasswordChallenge = "Password:"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - containers come from networks of their own


@dataclass
class MailServer:
    """Keeps what it takes; takes nothing without the password, and nothing at all while it `refuses`."""

    username: str
    password: str
    port: int = field(default_factory=lambda: free_ports(1)[0])
    mails: list[EmailMessage] = field(default_factory=list)
    refuses: bool = False

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Called by aiosmtpd for each mail."""
        if not session.authenticated:
            return "530 sign in first"
        if self.refuses:
            return "554 this server is full"
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        return "250 taken"

    def subjects(self) -> list[str]:
        return [str(mail["Subject"]) for mail in self.mails]

    @contextmanager
    def running(self) -> Iterator[None]:
        controller = Controller(
            self,
            hostname=EVERYWHERE,
            port=self.port,
            authenticator=self._check,
            auth_require_tls=False,
        )
        controller.start()
        try:
            yield
        finally:
            controller.stop()

    def _check(self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, given: object) -> AuthResult:
        assert isinstance(given, LoginPassword)
        wanted = (self.username.encode(), self.password.encode())
        return AuthResult(success=(given.login, given.password) == wanted)


@dataclass
class Webhook:
    """Keeps what is posted to it, by path."""

    port: int = field(default_factory=lambda: free_ports(1)[0])
    posted: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def alerts(self, path: str) -> list[dict[str, Any]]:
        """All alerts of all messages to a path."""
        return [alert for to, message in self.posted if to == path for alert in message["alerts"]]

    @contextmanager
    def running(self) -> Iterator[None]:
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted.append((self.path, json.loads(body)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Pytest shows enough."""

        server = ThreadingHTTPServer((EVERYWHERE, self.port), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
