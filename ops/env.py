"""`env`: what makes plain `pulumi` work in a shell; and environments for pull requests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops import containers, preflight, seed, temporary
from ops.console import notes, output
from ops.environment import exports, uses_own_state
from ops.errors import MISTAKE, CommandError
from ops.places import CACHE, DEFAULT_STACK, PROJECT, STATE
from ops.pulumi import Pulumi, stacks
from ops.stack_file import StackFile
from ops.temporary import Temporary

env = typer.Typer(help="Settings of a shell for plain pulumi; environments for pull requests.")
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Its name, pr- and more; pr-123 for pull request 123.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@env.callback(invoke_without_command=True)
def shell(context: typer.Context) -> None:
    """Print the settings for plain `pulumi preview|up|destroy|stack`. Use it as: eval "$(./monopco env)".

    With a command: environments for pull requests.
    """
    if context.invoked_subcommand is not None:
        return
    if uses_own_state(os.environ) and not (STATE / f".pulumi/stacks/monopco/{DEFAULT_STACK}.json").exists():
        _make_default_stack()
    sys.stdout.write(exports(os.environ))


def _make_default_stack() -> None:
    """Make and select the stack that a plain `pulumi up` then works on; what hinders it, hinders nobody here."""
    try:
        Pulumi(DEFAULT_STACK).ensure()
    except CommandError as error:
        notes.print(f"The stack {DEFAULT_STACK} was not made: {error}", markup=False)


@env.command("create")
def create(  # noqa: PLR0913 - one for each option
    name: NameArgument,
    origin: Annotated[str, typer.Option("--from", metavar="STACK", help="The stack whose configuration it has.")],
    *,
    domain: Annotated[str, typer.Option("--domain", help="Its host name; NAME.DOMAIN of the stack it is from.")] = "",
    lifetime: Annotated[str, typer.Option("--lifetime", help="Hours or days after which it may be removed.")] = "7d",
    source: Annotated[str, typer.Option("--source", help="Another app.source: a folder or a git URL.")] = "",
    ref: Annotated[str, typer.Option("--ref", help="Commit of a git source.")] = "",
    secret: Annotated[
        list[str] | None,
        typer.Option("--secret", metavar="NAME", help="A secret that the app gets, from the variable of that name."),
    ] = None,
    data_of: Annotated[
        str,
        typer.Option("--data-of", metavar="STACK", help="Whose newest backup is its first data, made anonymous."),
    ] = "",
    anonymise: Annotated[
        Path | None,
        typer.Option("--anonymise", metavar="RULES.sql", help="The SQL that does so, before anything leaves there."),
    ] = None,
) -> None:
    """Make a temporary environment beside the others, or bring it up to date and prolong its time.

    It has a database, ports and secrets of its own; no secret of another stack reaches it. Refused when the machine's
    memory does not allow another one.
    """
    temporary.check_name(name)
    until = datetime.now(timezone.utc) + temporary.parse_lifetime(lifetime)
    first_data = seed.seed(data_of, anonymise)
    base, values = StackFile.read(origin), _given(secret or [])
    host = base.docker_host
    config = temporary.configuration(
        base,
        domain=domain or f"{name}.{base.value('domain', 'name')}",
        until=until,
        http_ports=_ports(name, base),
        secrets=values,
    )
    config["monopco:app"] |= {key: value for key, value in (("source", source), ("ref", ref)) if value}
    if subnet := temporary.free_subnet(name, host):
        config["monopco:network"] = {"subnet": subnet}
    temporary.check_memory(name, temporary.needed(config, base), temporary.memory(host, without=name))
    left_out = sorted(set(base.value("app", "secrets") or []) - values.keys())
    if left_out:
        notes.print(f"{name} gets no {', '.join(left_out)}. --secret NAME gives it one, best from another account.")
    temporary.write(name, config)
    pulumi = Pulumi(name)
    pulumi.ensure()
    for key, value in values.items():
        pulumi.set_secret(f"monopco:{key}", value)
    from ops.up import up  # noqa: PLC0415 - imports all that a deploy needs

    up(name)
    if first_data:
        seed.sow(first_data, pulumi)
    output.print(f"  {'Until':<9}{temporary.stamp(until)}; then ./monopco env reconcile removes it")


def _given(names: list[str]) -> dict[str, str]:
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise CommandError(f"--secret: the variable {missing[0]} is not set; a secret is read from there.", MISTAKE)
    return {name: os.environ[name] for name in names}


def _ports(name: str, base: StackFile) -> tuple[int, int]:
    """The ports that the environment has already, or free ones; those of its front, when it stands behind one."""
    if temporary.behind(base):
        return int(base.value("http", "httpPort")), int(base.value("http", "httpsPort"))
    if (PROJECT / f"Pulumi.{name}.yaml").is_file():
        own = StackFile.read(name)
        return int(own.value("http", "httpPort")), int(own.value("http", "httpsPort"))
    published = [port for each in containers.of_stack(name, base.docker_host) for port in each.ports]
    if len(published) == 2:  # noqa: PLR2004 - made by another checkout
        return min(published), max(published)
    return temporary.free_ports(base.docker_host, str(base.value("http", "address")), local=preflight.is_local(base))


@env.command("remove")
def remove(name: NameArgument) -> None:
    """Take a temporary environment away with its data, its images, its stack and its file."""
    temporary.check_name(name)
    _remove(name)
    output.print(f"{name} is gone.")


def _remove(name: str) -> None:
    pulumi = Pulumi(name)
    if pulumi.exists():
        pulumi.ensure()
        pulumi.operate("destroy", quiet=True)
        pulumi.remove()
    for path in (PROJECT / f"Pulumi.{name}.yaml", STATE / f"ca-{name}.crt"):
        path.unlink(missing_ok=True)
    shutil.rmtree(CACHE / "releases" / name, ignore_errors=True)


@env.command("list")
def show(*, as_json: JsonOption = False) -> None:
    """The temporary environments: where they are, what they were made from, until when."""
    found = _all()
    if as_json:
        sys.stdout.write(json.dumps([each.to_json() for each in found], indent=2) + "\n")
        return
    for each in found:
        until = temporary.stamp(each.until) if each.until else "never finished"
        output.print(f"{escape(each.name):<16} {until:<20}  from {escape(each.origin or '?'):<8} {escape(each.url)}")
    if not found:
        output.print("There is no temporary environment.")


@env.command("reconcile")
def reconcile(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove the temporary environments whose time is over or whose pull request is closed.

    Whether one is closed is asked of the gh command, where there is one.
    """
    failed = []
    now = datetime.now(timezone.utc)
    for each in _all():
        reason = temporary.overdue(each, now, _is_open)
        if not reason:
            continue
        output.print(f"{each.name}: {reason}{'' if dry_run else '; removing it'}", markup=False)
        if not dry_run:
            try:
                _remove(each.name)
            except CommandError as error:
                failed.append(f"{each.name}: {error}")
    if failed:
        raise CommandError("Not removed:\n" + "\n".join(failed))


def _all() -> list[Temporary]:
    found = []
    for stack in stacks():
        name = str(stack["name"]).rpartition("/")[2]
        if name.startswith(temporary.PREFIX):
            outputs = Pulumi(name).outputs()
            kept: dict[str, Any] = outputs.get("temporary") or {}
            found.append(
                Temporary(
                    name,
                    temporary.moment(kept.get("until")),
                    str(kept.get("origin") or ""),
                    str(outputs.get("url") or ""),
                    temporary.moment(stack.get("lastUpdate")),
                )
            )
    return sorted(found, key=lambda each: each.name)


def _is_open(number: int) -> bool | None:
    """Whether a pull request is open; None when nobody can be asked."""
    if shutil.which("gh") is None:
        return None
    command = ["gh", "pr", "view", str(number), "--json", "state", "--jq", ".state"]
    try:
        asked = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return None
    return asked.stdout.strip() == "OPEN" if asked.returncode == 0 else None
