"""The environment variables under which plain `pulumi` works on this project."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from ops.places import PASSPHRASE, PROJECT, PULUMI_HOME, STATE, TOOLS, VENV

# Names the project that a shell was set up for, so that another clone can tell its own settings from the user's.
MARK = "MONOPCO_PROJECT"


_BACKEND = ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")


def variables(given: Mapping[str, str]) -> dict[str, str]:
    """What must be set on top of `given`. A backend, passphrase or token that the user chose is kept."""
    own = _without_project(given)
    changes = {
        MARK: str(PROJECT),
        "PATH": os.pathsep.join([str(TOOLS), str(VENV / "bin"), *_entries(own)]),
        "PULUMI_HOME": str(PULUMI_HOME),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    if uses_own_state(given):
        changes["PULUMI_BACKEND_URL"] = _backend(PROJECT)
    else:
        # The user's login, made with the user's own Pulumi, lies outside our PULUMI_HOME.
        changes["PULUMI_CREDENTIALS_PATH"] = own.get("PULUMI_CREDENTIALS_PATH", str(Path.home() / ".pulumi"))
    if not {"PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"} & own.keys():
        changes["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(PASSPHRASE)
    return changes


def uses_own_state(given: Mapping[str, str]) -> bool:
    """Whether the deployments are kept in this project's .state and not where the user said."""
    return not set(_BACKEND) & _without_project(given).keys()


def exports(given: Mapping[str, str]) -> str:
    """Shell lines for `eval`, safe for any path."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables(given).items())


def _backend(project: Path) -> str:
    return f"file://{project / STATE.relative_to(PROJECT)}"


def _without_project(given: Mapping[str, str]) -> dict[str, str]:
    """`given` without what `./monopco env` of this or another clone exported earlier.

    A backend or token that is empty is none: a pipeline gives such ones for secrets that it does not have.
    """
    own = {name: value for name, value in given.items() if value or name not in _BACKEND}
    if MARK not in own:
        return own
    project = Path(own[MARK])
    exported = {
        "PULUMI_BACKEND_URL": _backend(project),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(project / PASSPHRASE.relative_to(PROJECT)),
    }
    for name, value in exported.items():
        if own.get(name) == value:
            del own[name]
    return own


def _entries(own: Mapping[str, str]) -> list[str]:
    """PATH without our own folders, of this or another clone."""
    projects = {PROJECT, Path(own.get(MARK, PROJECT))}
    folders = {str(project / folder.relative_to(PROJECT)) for project in projects for folder in (TOOLS, VENV / "bin")}
    return [entry for entry in own.get("PATH", os.defpath).split(os.pathsep) if entry not in folders]
