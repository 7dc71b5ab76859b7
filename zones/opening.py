"""Opens a zone for reading and changing."""

from __future__ import annotations

from zones.changes import Zone
from zones.place import Access, Place


def open_zone(place: Place, access: Access, patience: float = 60) -> Zone:
    """The zone at that place. `patience` is how long a server that does not answer is asked again, in seconds."""
    # Either library takes a while to load, and a run has many steps.
    if place.mode == "rfc2136":
        from zones.rfc2136 import Key, Rfc2136Zone  # noqa: PLC0415

        key = Key(name=place.key_name, algorithm=place.key_algorithm, secret=access.key_secret)
        return Rfc2136Zone(place.zone, (place.host, place.port), key, patience=patience)
    from zones.provider import ProviderZone  # noqa: PLC0415

    return ProviderZone(place.zone, place.provider, access.credentials)
