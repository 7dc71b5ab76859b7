"""What people read when a server cannot be reached."""

from __future__ import annotations

import pytest

from ops.pulumi import plain
from ops.reach import in_words

REASON = (
    "The server a does not answer by SSH: ssh: connect to host a port 22: Connection refused. Look whether it is on."
)
SSH = "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535"
COMMAND = "command [ssh -T -l monopco -p 22 -- a docker system dial-stdio] has exited with exit status 255"
ADVICE = "make sure the URL is valid, and Docker 18.09 or later is installed on the remote host"
CLIENT = (
    f'error during connect: Get "http://docker.example.com/v1.50/info": {COMMAND}, {ADVICE}: stderr={REASON}\n{SSH}\n'
)
PROVIDER = (
    "volume database-data: sdk-v2/provider2.go:571: sdk.helper_schema: failed to create Docker client: Error pinging "
    "Docker server, please make sure that ssh://monopco@a:22 is reachable and has a  '_ping' endpoint. Error: error "
    f'during connect: Head "http://docker.example.com/_ping": {COMMAND}, {ADVICE}: stderr={REASON}\n{SSH}\n'
    ": provider=docker@5.2.0"
)


@pytest.mark.parametrize("said", [CLIENT, PROVIDER, f"command server-base: Docker on the server refuses: {CLIENT}"])
def test_the_reason_alone_is_told(said: str) -> None:
    assert in_words(said) == REASON
    assert plain(said) == REASON


def test_a_docker_that_does_not_let_the_user_in_is_told_with_what_to_do() -> None:
    said = "Cannot connect to the Docker daemon at http://docker.example.com. Is the docker daemon running?"
    assert "monopco is not in the group docker" in in_words(f"Docker on the server does not answer: {said}")


@pytest.mark.parametrize("said", ["Error: No such container: a", "", "two\n\nlines"])
def test_anything_else_stays_as_it_is(said: str) -> None:
    assert in_words(said) == said
