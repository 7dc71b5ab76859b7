"""Files for a one-off container, as text for a step's standard input."""

from __future__ import annotations

import base64
import io
import tarfile
from collections.abc import Mapping


def bundle(files: Mapping[str, str], mode: int = 0o600, owner: int = 0) -> str:
    """A tar archive of `files` (path to text) in base64, all of user `owner`; the same files give the same text."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            content = files[path].encode()
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            entry.mode = mode
            entry.uid = entry.gid = owner
            archive.addfile(entry, io.BytesIO(content))
    return base64.b64encode(buffer.getvalue()).decode()
