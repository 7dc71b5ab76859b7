"""A zone that is changed by RFC 2136: each change is one message, with what must be so for it to happen."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdata
import dns.rdataset
import dns.rdatatype
import dns.tsig
import dns.update

from zones.changes import ChangedMeanwhile, Found, ZoneError
from zones.record import TYPES, ZoneRecord, canonical, presented

_ANSWER_SECONDS = 10.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_ANSWERED = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


@dataclass(frozen=True, kw_only=True)
class Key:
    """A TSIG key. `secret` is base64 and never shown."""

    name: str
    algorithm: str
    secret: str


class Rfc2136Zone:
    """The zone `zone` at its primary server, changed with a TSIG key."""

    def __init__(self, zone: str, server: tuple[str, int], key: Key, *, patience: float = 60) -> None:
        """`patience` is how long a server that does not answer is asked again, in seconds."""
        self._zone = dns.name.from_text(zone)
        self._host, self._port = server
        self._key = dns.tsig.Key(key.name, key.secret, f"{key.algorithm}.")
        self._patience = patience

    def read(self, name: str, kind: str) -> Found:
        query = dns.message.make_query(dns.name.from_text(name), kind)
        query.flags &= ~dns.flags.RD
        answer = self._ask(query)
        if answer.rcode() not in _ANSWERED:
            raise self._refused(answer.rcode(), "does not tell what is in")
        if not answer.flags & dns.flags.AA:
            raise ZoneError(f"{self._place} is not in charge of the zone {self._shown}; set dns.server to its primary.")
        wanted = dns.rdatatype.from_text(kind)
        for rrset in answer.answer:
            if rrset.rdtype == wanted and rrset.name == dns.name.from_text(name):
                return Found(frozenset(canonical(kind, rdata.to_text()) for rdata in rrset), rrset.ttl)
        return Found()

    def others(self, name: str, kind: str) -> Iterable[str]:
        return [other for other in TYPES if other != kind and self.read(name, other).values]

    def change(self, record: ZoneRecord, before: Found, after: frozenset[str]) -> None:
        name = dns.name.from_text(record.name)
        update = dns.update.UpdateMessage(self._zone)
        if before.values:
            update.present(name, _rdataset(record, before.values, 0))
        elif record.type == "CNAME":
            update.absent(name)
        else:
            update.absent(name, record.type)
        if record.type != "CNAME":
            # A server takes no record beside a CNAME, and says nothing of it.
            update.absent(name, "CNAME")
        others = before.values - {record.value} if len(after) > 1 else frozenset()
        ttl = before.ttl if others and before.ttl is not None else record.ttl
        for gone in sorted(before.values - after):
            update.delete(name, _rdata(record.type, gone))
        for value in sorted(after if ttl != before.ttl else after - before.values):
            update.add(name, ttl, _rdata(record.type, value))
        self._send(update, record, after)

    def _send(self, update: dns.update.UpdateMessage, record: ZoneRecord, after: frozenset[str]) -> None:
        sent = 0

        def count() -> None:
            nonlocal sent
            sent += 1

        answer = self._ask(update, count)
        code = answer.rcode()
        if code in (dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN):
            # The first message may have done it, and its answer been lost.
            if sent > 1 and self.read(record.name, record.type).values == after:
                return
            raise ChangedMeanwhile
        if code != dns.rcode.NOERROR:
            raise self._refused(code, "does not let the key change")

    def _ask(self, message: dns.message.Message, before: object = None) -> dns.message.Message:
        """Asks until there is an answer: each message may come twice, as what it needs to be so is part of it."""
        message.use_tsig(self._key)
        deadline, pause = time.monotonic() + self._patience, _FIRST_PAUSE
        while True:
            try:
                if callable(before):
                    before()
                answer = self._exchange(message)
            except socket.gaierror as error:
                raise ZoneError(
                    f"{self._place} (dns.server): there is no host of this name ({error.strerror})."
                ) from error
            except (OSError, EOFError, dns.exception.Timeout) as error:
                if time.monotonic() + pause > deadline:
                    raise self._silent(error) from error
            except dns.exception.DNSException as error:
                raise self._not_let_in(error) from error
            else:
                if answer.rcode() != dns.rcode.SERVFAIL or time.monotonic() + pause > deadline:
                    return answer
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            message.use_tsig(self._key)

    def _exchange(self, message: dns.message.Message) -> dns.message.Message:
        """One message and its answer. A server signs no answer to a key that it does not know: a refusal needs no
        signature, and all else does."""
        expires = time.time() + _ANSWER_SECONDS
        with socket.create_connection((self._host, self._port), timeout=_ANSWER_SECONDS) as connection:
            connection.setblocking(False)
            dns.query.send_tcp(connection, message, expires)
            answer, _ = dns.query.receive_tcp(connection, expires, keyring=False)  # type: ignore[arg-type]
        if not answer.had_tsig and answer.rcode() not in _ANSWERED:
            return answer
        if answer.id != message.id:
            raise EOFError("the answer was to another question")
        return dns.message.from_wire(answer.wire or b"", keyring=message.keyring, request_mac=message.mac)

    @property
    def _place(self) -> str:
        return f"The DNS server {self._host}:{self._port}"

    @property
    def _algorithm(self) -> str:
        return str(self._key.algorithm.to_text(omit_final_dot=True))

    @property
    def _shown(self) -> str:
        return self._zone.to_text(omit_final_dot=True)

    def _silent(self, error: Exception) -> ZoneError:
        words = "no answer in time" if isinstance(error, dns.exception.Timeout) else str(error) or "no answer"
        return ZoneError(
            f"{self._place} (dns.server) does not answer: {words}. It was asked for {self._patience:.0f} s. "
            "Nothing is known to have changed. Start it, correct dns.server, or let this machine through to its "
            f"TCP port {self._port}; then run it again."
        )

    def _not_let_in(self, error: Exception) -> ZoneError:
        key = self._key.name.to_text(omit_final_dot=True)
        if isinstance(error, dns.tsig.PeerBadKey):
            return ZoneError(
                f"{self._place} knows no key {key} with {self._algorithm}: correct dns.keyName or dns.keyAlgorithm, or "
                "make the key there."
            )
        if isinstance(error, (dns.tsig.PeerBadSignature, dns.tsig.BadSignature, dns.tsig.PeerBadTruncation)):
            return ZoneError(
                f"{self._place} has another secret for the key {key}: set the right one with "
                "pulumi config set --secret --path monopco:dns.keySecret"
            )
        if isinstance(error, (dns.tsig.PeerBadTime, dns.tsig.BadTime)):
            return ZoneError(f"{self._place} and this machine disagree on the time by more than 5 minutes; set it.")
        return ZoneError(f"{self._place} gave an answer that cannot be trusted: {str(error) or type(error).__name__}.")

    def _refused(self, code: dns.rcode.Rcode, does: str) -> ZoneError:
        key = self._key.name.to_text(omit_final_dot=True)
        advice = {
            dns.rcode.REFUSED: f"allow the key {key} there to read and change it",
            dns.rcode.NOTAUTH: (
                f"it knows no key {key} with {self._algorithm} that may (correct dns.keyName or dns.keyAlgorithm, or "
                "make the key there), or is not the primary of the zone (correct dns.server or dns.zone)"
            ),
            dns.rcode.NOTZONE: "correct dns.zone, the records are not in it",
            dns.rcode.SERVFAIL: "it has a fault of its own; its log tells which",
        }.get(code, "its log tells why")
        return ZoneError(f"{self._place} {does} the zone {self._shown} ({dns.rcode.to_text(code)}): {advice}.")


def _rdata(kind: str, value: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text("IN", kind, presented(kind, value))


def _rdataset(record: ZoneRecord, values: Iterable[str], ttl: int) -> dns.rdataset.Rdataset:
    return dns.rdataset.from_text("IN", record.type, ttl, *(presented(record.type, value) for value in values))
