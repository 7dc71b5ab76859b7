"""The ./monopco command."""

from __future__ import annotations

import importlib
import keyword
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape

from ops.console import notes
from ops.errors import CommandError

# A verb is the function of its name in the module of its name; only the one that is asked for is imported.
_VERBS = (
    *("up", "preview", "down"),
    *("checkpoint", "publish", "releases", "rollback"),
    *("status", "dashboard", "alerts", "logs", "verify", "doctor", "maintenance", "dns", "ssh", "env", "test"),
    *("psql", "export", "import", "secrets", "backup", "backups", "restore"),
    *("plan", "github"),
)


def command_line(arguments: Sequence[str]) -> typer.Typer:
    """The command with the verb that `arguments` ask for, or with all of them for help and for mistakes."""
    app = typer.Typer(
        name="./monopco",
        help="MonOPCO on a machine of one's own: one Pulumi program, and what is needed around it.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(lambda: None)
    wanted = [verb for verb in _VERBS if verb in arguments[:1]] or _VERBS
    for verb in wanted:
        # import is a word of Python's own.
        module = f"{verb}_" if keyword.iskeyword(verb) else verb
        found = getattr(importlib.import_module(f"ops.{module}"), module)
        if isinstance(found, typer.Typer):  # a verb with verbs of its own
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def main() -> None:
    try:
        command_line(sys.argv[1:])(prog_name="./monopco")
    except CommandError as error:
        notes.print(f"[bold red]monopco:[/] {escape(str(error))}")
        sys.exit(error.code)


if __name__ == "__main__":
    main()
