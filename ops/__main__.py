"""The ./monopco command."""

from __future__ import annotations

import sys

import typer
from rich.markup import escape

from ops.console import notes
from ops.down import down
from ops.env import env
from ops.errors import CommandError
from ops.logs import logs
from ops.preview import preview
from ops.status import status
from ops.test import run_tests
from ops.up import up

app = typer.Typer(
    name="./monopco",
    help="MonOPCO on a machine of one's own: one Pulumi program, and what is needed around it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
for verb in (up, preview, down, status, logs, env):
    app.command()(verb)
app.command("test")(run_tests)


def main() -> None:
    try:
        app(prog_name="./monopco")
    except CommandError as failure:
        notes.print(f"[bold red]monopco:[/] {escape(str(failure))}")
        sys.exit(failure.code)


if __name__ == "__main__":
    main()
