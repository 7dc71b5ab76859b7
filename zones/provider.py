"""A zone at a provider that has an API of its own, through lexicon.

A provider changes one record after the other, so a change is not atomic: what is new comes first, what is old goes
last. Where a type has one record only, that one is changed in place.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

import requests
from lexicon.config import ConfigResolver
from lexicon.exceptions import AuthenticationError
from lexicon.interfaces import Provider

from zones.changes import ChangedMeanwhile, Found, ZoneError
from zones.record import SINGLE, TYPES, ZoneRecord, canonical, presented, relative

_PART = 255
_PAUSES = (1.0, 3.0, 9.0)
_FAULTS = 500
_TOO_MANY = 429
# Providers whose lexicon module wants a name without the zone, and how it wants the zone itself.
_RELATIVE = {"gandi": "@", "hetzner": "@", "scaleway": ""}
# Those that know a record by its name, type and value instead of an id.
_NO_IDS = frozenset({"gandi", "hetzner"})
# Those that know only all values of a name and type together.
_SETS = frozenset({"gandi"})
_T = TypeVar("_T")


class ProviderZone:
    """The zone `zone` at `provider`, with credentials by lexicon's option names."""

    def __init__(self, zone: str, provider: str, credentials: Mapping[str, str]) -> None:
        self._zone, self._provider = zone, provider
        self._clients: dict[tuple[int | None, str | None], Provider] = {}
        # Gandi's older protocol, lexicon's default, is not served any more.
        self._options = {"api_protocol": "rest", **credentials} if provider == "gandi" else dict(credentials)

    def read(self, name: str, kind: str) -> Found:
        return Found(frozenset(value for value, _ in self._records(name, kind)))

    def others(self, name: str, kind: str) -> Iterable[str]:
        return [other for other in TYPES if other != kind and self._records(name, other)]

    def change(self, record: ZoneRecord, before: Found, after: frozenset[str]) -> None:
        found = self._records(record.name, record.type)
        if {value for value, _ in found} != before.values:
            raise ChangedMeanwhile
        if not before.values and self._beside(record):
            raise ChangedMeanwhile
        if self._provider in _SETS and before.values:
            self._replace_all(record, after)
        elif record.type in SINGLE and len(found) == 1 and after:
            self._replace(record, found[0][1])
        else:
            for value in sorted(after - before.values):
                self._create(record, value)
            for value, one in found:
                if value not in after:
                    self._delete(record, one)
        if (now := self.read(record.name, record.type).values) != after:
            raise ZoneError(
                f"{record}: {self._provider} took the change, but has {sorted(now)} instead of {sorted(after)}. "
                "Look at the zone there."
            )

    def _create(self, record: ZoneRecord, value: str) -> None:
        name, content = self._put(record, value)
        self._do(lambda client: client.create_record(record.type, name, content), record)

    def _replace(self, record: ZoneRecord, old: Mapping[str, Any]) -> None:
        """In place: a name that is away for a moment stays away for an hour in those resolvers that asked then."""
        identifier = None if self._provider in _NO_IDS else old["id"]
        name, content = self._put(record, record.value)
        self._do(lambda client: client.update_record(identifier, record.type, name, content), record)

    def _replace_all(self, record: ZoneRecord, after: frozenset[str]) -> None:
        """All values of a name and type at once: lexicon would write those of others without the quotes they need."""
        name, contents = self._name(record.name), [presented(record.type, value) for value in sorted(after)]
        if contents:
            # It takes a list, too, which its type does not say.
            self._do(lambda client: client.update_record(None, record.type, name, cast(str, contents)), record)
        else:
            self._do(lambda client: client.delete_record(None, record.type, name), record)

    def _delete(self, record: ZoneRecord, one: Mapping[str, Any]) -> None:
        if self._provider in _NO_IDS:
            name = self._name(record.name)
            self._do(lambda client: client.delete_record(None, record.type, name, one["content"]), record)
        else:
            self._do(lambda client: client.delete_record(one["id"]), record)

    def _beside(self, record: ZoneRecord) -> bool:
        others = set(self.others(record.name, record.type))
        return bool(others) if record.type == "CNAME" else "CNAME" in others

    def _records(self, name: str, kind: str) -> list[tuple[str, Mapping[str, Any]]]:
        """The canonical value of each record, with what lexicon tells of it."""
        asked = self._name(name)
        listed = self._do(lambda client: client.list_records(kind, asked or None), None)
        # Some list more than was asked for.
        mine = [one for one in listed if one["type"] == kind and self._absolute(str(one["name"])) == name]
        return [(canonical(kind, self._told(kind, one)), one) for one in mine]

    def _told(self, kind: str, one: Mapping[str, Any]) -> str:
        content = str(one["content"])
        if kind == "MX" and " " not in content.strip():
            return f"{one.get('priority') or one.get('options', {}).get('mx', {}).get('priority', 10)} {content}"
        return content

    def _name(self, name: str) -> str:
        apex = _RELATIVE.get(self._provider)
        if apex is None:
            return name
        short = relative(name, self._zone)
        return apex if short == "@" else short

    def _absolute(self, name: str) -> str:
        name = name.rstrip(".").removeprefix("@.").removeprefix(".")
        if name in ("", "@"):
            return self._zone
        return name if name == self._zone or name.endswith(f".{self._zone}") else f"{name}.{self._zone}"

    def _put(self, record: ZoneRecord, value: str) -> tuple[str, str]:
        """Name and value as this provider's module of lexicon takes them."""
        if record.type == "TXT" and len(value) > _PART and self._provider != "hetzner":
            value = presented("TXT", value)
        elif self._provider == "cloudflare" and record.type == "CAA":
            value = value.replace('"', "")
        elif self._provider == "cloudflare" and record.type == "MX":
            value = value.split()[1]
        return self._name(record.name), value

    def _client(self, record: ZoneRecord | None) -> Provider:
        """Lexicon's module for the provider, logged in once for each time to live. Its own client would guess the zone
        from a list that it loads from elsewhere."""
        general: dict[str, Any] = {"provider_name": self._provider, "domain": self._zone}
        if record:
            general["ttl"] = record.ttl
            if record.type == "MX":
                general["priority"] = record.value.split()[0]
        key = (general.get("ttl"), general.get("priority"))
        if key not in self._clients:
            config = ConfigResolver().with_dict({**general, self._provider: self._options})  # type: ignore[no-untyped-call]
            module = importlib.import_module(f"lexicon._private.providers.{self._provider}")
            client: Provider = module.Provider(config)
            client.authenticate()
            self._clients[key] = client
        return self._clients[key]

    def _do(self, call: Callable[[Provider], _T], record: ZoneRecord | None) -> _T:
        for pause in (*_PAUSES, None):
            try:
                # Some of lexicon's modules print what they send, and standard output is the step's result.
                with contextlib.redirect_stdout(io.StringIO()):
                    return call(self._client(record))
            except (requests.ConnectionError, requests.Timeout) as error:
                # A change that may have been made is looked at by whoever runs it again.
                if pause is None or record is not None:
                    raise ZoneError(
                        f"{self._provider} cannot be reached: {_short(error)}. Run it again later."
                    ) from error
            except requests.HTTPError as error:
                code = error.response.status_code if error.response is not None else 0
                if pause is None or (code != _TOO_MANY and (code < _FAULTS or record is not None)):
                    raise self._refused(error, code) from error
            except (TypeError, KeyError, ValueError) as error:
                # Lexicon looks for what it wants in an answer that tells of a fault.
                if pause is None or record is not None:
                    raise ZoneError(
                        f"{self._provider} gave an answer that is not understood ({type(error).__name__}: {error}). "
                        "Correct dns.credentials, or run it again later."
                    ) from error
            except AuthenticationError as error:
                raise ZoneError(
                    f"{self._provider} does not give access to the zone {self._zone}: {error}. "
                    "Correct dns.zone, dns.provider or dns.credentials."
                ) from error
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _refused(self, error: requests.HTTPError, code: int) -> ZoneError:
        if code in (401, 403):
            return ZoneError(
                f"{self._provider} refuses the credentials (HTTP {code}): correct dns.credentials, and what they are "
                f"allowed to do with the zone {self._zone}."
            )
        said = error.response.text.strip()[:300] if error.response is not None else ""
        return ZoneError(f"{self._provider} refused (HTTP {code}): {said or 'it says nothing'}")


def _short(error: Exception) -> str:
    return str(error).split("(Caused by")[-1].strip(" )")[:200] or type(error).__name__
