"""`export`: take the data along, as a plain dump of PostgreSQL's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ops import contents, database, transfer
from ops.console import output
from ops.database import Reach
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile

_OWN_SCHEMAS = """
SELECT nspname FROM pg_namespace WHERE pg_has_role(nspowner, 'USAGE') AND nspname !~ '^pg_'
    AND nspname <> 'information_schema' ORDER BY 1
"""


def export(
    file: Annotated[Path, typer.Argument(help="Where the dump is written; pg_restore reads it.")],
    stack: StackOption = DEFAULT_STACK,
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
) -> None:
    """Write all data of the database to a file, in pg_dump's custom format. The app goes on meanwhile."""
    if file.exists() and not overwrite:
        raise CommandError(f"{file} exists; give another name, or --overwrite.", MISTAKE)
    if not file.parent.is_dir():
        raise CommandError(f"There is no folder {file.parent}.", MISTAKE)
    with database.reached(StackFile.read(stack)) as reach:
        size, tables = dump(reach, file)
    output.print(
        f"[bold]{escape(str(file))}[/]: {size / 1e6:.1f} MB, the rows of {tables} tables. It holds people's data."
    )
    output.print(f"  ./monopco import {escape(str(file))} -s STACK puts it into another environment.")


def dump(reach: Reach, file: Path) -> tuple[int, int]:
    """Write the dump, and read it back as far as its list of contents; its bytes, and its tables with rows.

    Of a database elsewhere it holds the schemas that are the role's own: the others belong to whoever runs it.
    """
    own = [f"--schema={name}" for name in reach.ask(_OWN_SCHEMAS)] if reach.external else []
    size = transfer.to_file(reach.command("pg_dump", "--format=custom", "--compress=zstd", *own), file, "export")
    return size, len(contents.tables(contents.of_dump(reach, file)))
