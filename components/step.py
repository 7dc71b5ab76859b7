"""Steps: what is done on the Docker host between resources, as `local.Command` resources.

A step is a POSIX shell script over the docker command line. Its text is the resource's input, so that a changed
script shows in a diff; secrets reach it on standard input only. It runs again when one of its inputs changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
from pulumi_command import local

from components.ssh import CONFIG_VARIABLE, WRAPPER, config_file, is_remote

SCRIPTS = Path(__file__).resolve().parent
# Steps run in the project's folder, on whichever machine that is.
_WITH_WRAPPER = f'#!/bin/sh\nPATH="$PWD/{WRAPPER}:$PATH"\nexport PATH\n'


def script(*names: str) -> str:
    """The text of scripts below components/, one after the other."""
    return "\n".join((SCRIPTS / name).read_text(encoding="utf-8") for name in names)


def step(
    name: str,
    text: str,
    *,
    docker_host: str | None,
    environment: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
    stdin: pulumi.Input[str] | None = None,
    delete: str | None = None,
) -> local.Command:
    """Run `text` when it or an input changes, and `delete` when the resource goes."""
    host: dict[str, pulumi.Input[str]] = {"DOCKER_HOST": docker_host} if docker_host else {}
    prelude = ""
    if docker_host and is_remote(docker_host):
        prelude, host[CONFIG_VARIABLE] = _WITH_WRAPPER, config_file(docker_host)
    return local.Command(
        name,
        create=prelude + text,
        delete=prelude + delete if delete else None,
        stdin=stdin,
        environment={**environment, **host},
        logging=local.Logging.STDERR,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["stdin"])),
    )
