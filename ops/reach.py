"""What the docker command and the provider say when a server cannot be reached, without what hides the reason."""

from __future__ import annotations

import re

# Docker puts its own command around what ssh, or our `connect` in ssh's place, has said.
_WRAPPED = re.compile(r"error during connect: [^\n]*?command \[ssh [^\n]*?stderr=(?P<reason>.*?)(?=\n\n|\Z)", re.DOTALL)
# ssh itself, once `connect` has told why there is no connection.
_AFTERWARDS = re.compile(
    r"\n?(kex_exchange_identification: Connection closed by remote host|Connection closed by UNKNOWN).*", re.DOTALL
)
_NO_DOCKER = re.compile(r"[^\n]*Cannot connect to the Docker daemon at http://docker\.example\.com[^\n]*")
_NO_DOCKER_WORDS = (
    "The server lets monopco in, but its Docker does not answer him. Either it does not run there (systemctl status "
    "docker), or monopco is not in the group docker (usermod --append --groups docker monopco). "
    "`./monopco ssh -- docker version` says which."
)


def in_words(text: str) -> str:
    """`text` with the reason alone where a server could not be reached; any other text as it is."""
    if wrapped := _WRAPPED.search(text):
        return _AFTERWARDS.sub("", wrapped["reason"]).strip()
    return _NO_DOCKER_WORDS if _NO_DOCKER.search(text) else text
