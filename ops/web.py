"""The environment as a visitor meets it: HTTP and TLS at the address that the proxy listens on."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from ops.errors import CommandError

_TIMEOUT = 20.0  # seconds
_STANDARD_HTTPS = 443
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """What came back; the names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def kind(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0]


@dataclass(frozen=True)
class Web:
    """Where the site is: an address to connect to, and the name that it is asked by."""

    address: str
    http_port: int
    https_port: int
    domain: str

    @property
    def url(self) -> str:
        port = "" if self.https_port == _STANDARD_HTTPS else f":{self.https_port}"
        return f"https://{self.domain}{port}"

    def ask(
        self,
        path: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        host: str | None = None,
    ) -> Answer:
        """One request over TLS on a connection of its own; who signed the certificate is another question."""

        def talk(connection: http.client.HTTPConnection) -> Answer:
            connection.request(method, path, body, {"Host": host or self.domain, **(headers or {})})
            return _read(connection)

        return self._over_tls(talk)

    def announce(self, path: str, size: int) -> Answer:
        """The answer to the head of a POST whose body has `size` bytes, none of which is sent."""

        def talk(connection: http.client.HTTPConnection) -> Answer:
            connection.putrequest("POST", path, skip_host=True)
            for name, value in (
                ("Host", self.domain),
                ("Content-Type", "application/octet-stream"),
                ("Content-Length", str(size)),
            ):
                connection.putheader(name, value)
            connection.endheaders()
            return _read(connection)

        return self._over_tls(talk)

    def plain(self, path: str, host: str) -> Answer:
        """One request without TLS."""

        def talk() -> Answer:
            connection = http.client.HTTPConnection(self.address, self.http_port, timeout=_TIMEOUT)
            try:
                connection.request("GET", path, headers={"Host": host})
                return _read(connection)
            finally:
                connection.close()

        return _explained(f"http://{self.address}:{self.http_port}", talk)

    def certificate(self, name: str) -> bytes:
        """The certificate that is shown to who asks for `name` (DER)."""

        def look() -> bytes:
            with self._connected(_accepting(), name) as tls:
                return tls.getpeercert(binary_form=True) or b""

        return _explained(self.url, look)

    def refusal(self, name: str, context: ssl.SSLContext) -> str:
        """Why a handshake with these demands fails; empty when it succeeds."""

        def shake() -> str:
            try:
                with self._connected(context, name):
                    return ""
            except ssl.SSLCertVerificationError as error:
                return error.verify_message or str(error)
            except (ssl.SSLError, ConnectionResetError) as error:
                return str(error)

        return _explained(self.url, shake)

    def _over_tls(self, talk: Callable[[http.client.HTTPConnection], Answer]) -> Answer:
        def connect() -> Answer:
            connection = http.client.HTTPConnection(self.domain, self.https_port, timeout=_TIMEOUT)
            connection.sock = self._connected(_accepting(), self.domain)
            try:
                return talk(connection)
            finally:
                connection.close()

        return _explained(self.url, connect)

    def _connected(self, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
        raw = socket.create_connection((self.address, self.https_port), _TIMEOUT)
        try:
            return context.wrap_socket(raw, server_hostname=name)
        except BaseException:
            raw.close()
            raise


def _accepting() -> ssl.SSLContext:
    """Takes any certificate: nothing secret is sent, and the certificate has checks of its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _read(connection: http.client.HTTPConnection) -> Answer:
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def _explained(url: str, talk: Callable[[], Result]) -> Result:
    try:
        return talk()
    except (OSError, http.client.HTTPException) as error:
        raise CommandError(f"{url} gives no answer: {str(error) or type(error).__name__}") from error
