"""Secrets in the record of a release: encrypted, so that whoever may look at an image learns nothing.

AES-SIV (RFC 5297) needs no random number to be safe: the same secrets under the same key give the same text, so an
unchanged release shows no difference.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

# AES-256-SIV takes two keys of 32 bytes.
KEY_BYTES = 64


def key_of(password: str) -> str:
    """Base64 of the key that belongs to a random password of 512 bits or more."""
    return base64.b64encode(hashlib.sha512(password.encode()).digest()).decode()


class SealError(ValueError):
    """The text was sealed with another key, for another release, or was changed."""


def seal(key: str, release: str, secrets: Mapping[str, str]) -> str:
    """Base64 of the encrypted secrets; `key` is base64 of 64 bytes. Only the same release opens it again."""
    # Imported where it is used: a run that changes nothing in preview needs no encryption.
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

    content = json.dumps(dict(secrets), sort_keys=True).encode()
    return base64.b64encode(AESSIV(base64.b64decode(key)).encrypt(content, [release.encode()])).decode()


def unseal(key: str, release: str, sealed: str) -> dict[str, str]:
    """The secrets again. Raises SealError."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # noqa: PLC0415

    try:
        content = AESSIV(base64.b64decode(key)).decrypt(base64.b64decode(sealed), [release.encode()])
    except (InvalidTag, ValueError) as error:
        raise SealError(
            f"pinned.release: the secrets of release {release} cannot be opened: its record is damaged, or it was made "
            "with the state of another environment; publish another release"
        ) from error
    return dict(json.loads(content))
