"""`github`: what a pipeline says on GitHub, by the gh command.

One comment for each stack and one issue for each kind of trouble, brought up to date instead of piling up.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.console import output
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT
from ops.report import marker

github = typer.Typer(help="What a pipeline says on GitHub: comments and issues that are kept up to date.")
_LONGEST = 60_000
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The text, in Markdown.")
]
TitleArgument = Annotated[str, typer.Argument(metavar="TITLE", help="What it is about; the same for the same trouble.")]


@github.callback()
def _with_verbs() -> None:
    """What a pipeline says on GitHub."""


@github.command("comment")
def comment(
    file: FileArgument,
    *,
    stack: Annotated[str, typer.Option("--stack", "-s", metavar="STACK", help="Whose preview it is.")],
    pull_request: Annotated[int, typer.Option("--pull-request", metavar="NUMBER", help="Where to put it.")],
) -> None:
    """Put the report of a preview into a pull request, in the place of the one before it."""
    text = file.read_text(encoding="utf-8")
    if marker(stack) not in text:
        raise CommandError(
            f"{file} is no report of stack {stack}; ./monopco preview -s {stack} --markdown makes it.", MISTAKE
        )
    comments = _ask("api", "--paginate", "--slurp", f"repos/{_repository()}/issues/{pull_request}/comments")
    own = [one["id"] for page in comments for one in page if marker(stack) in (one.get("body") or "") and _is_bot(one)]
    if own:
        _ask("api", "--method", "PATCH", f"repos/{_repository()}/issues/comments/{own[0]}", body=text)
    else:
        _ask("api", "--method", "POST", f"repos/{_repository()}/issues/{pull_request}/comments", body=text)
    output.print(f"{'Changed' if own else 'Made'} the comment on pull request {pull_request}.")


@github.command("issue")
def issue(
    title: TitleArgument,
    *,
    body: Annotated[
        Path | None, typer.Option("--body", metavar="FILE", exists=True, dir_okay=False, help="More, in Markdown.")
    ] = None,
) -> None:
    """Open an issue, or say in the open one of that title that it is so again."""
    text = (body.read_text(encoding="utf-8")[:_LONGEST] + "\n\n" if body else "") + _run_of_the_pipeline()
    number = _open_issue(title)
    if number is None:
        made = _ask("api", "--method", "POST", f"repos/{_repository()}/issues", body=text, title=title)
        output.print(f"Opened issue {made['number']}.")
    else:
        _ask("api", "--method", "POST", f"repos/{_repository()}/issues/{number}/comments", body=text)
        output.print(f"Said so in issue {number}.")


@github.command("resolved")
def resolved(title: TitleArgument) -> None:
    """Close the open issue of that title; without one, nothing is to be done."""
    number = _open_issue(title)
    if number is None:
        return
    text = f"It is well again. {_run_of_the_pipeline()}"
    _ask("api", "--method", "POST", f"repos/{_repository()}/issues/{number}/comments", body=text)
    _ask("api", "--method", "PATCH", f"repos/{_repository()}/issues/{number}", state="closed")
    output.print(f"Closed issue {number}.")


def _open_issue(title: str) -> int | None:
    pages = _ask("api", "--paginate", "--slurp", f"repos/{_repository()}/issues?state=open&per_page=100")
    return next(
        (
            int(one["number"])
            for page in pages
            for one in page
            if one["title"] == title and "pull_request" not in one and _is_bot(one)
        ),
        None,
    )


def _is_bot(one: dict[str, Any]) -> bool:
    """Whether the pipeline made it: what people write is never changed."""
    return bool((one.get("user") or {}).get("type") == "Bot")


def _repository() -> str:
    if not (name := os.environ.get("GITHUB_REPOSITORY", "")):
        raise CommandError("GITHUB_REPOSITORY is not set: this is for a pipeline on GitHub.", MISTAKE)
    return name


def _run_of_the_pipeline() -> str:
    server, run = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_RUN_ID", "")
    return f"The run: {server}/{_repository()}/actions/runs/{run}" if run else ""


def _ask(*arguments: str, **fields: str) -> Any:
    """What GitHub answers; the fields go by standard input."""
    given = ["--input", "-"] if fields else []
    try:
        done = subprocess.run(
            ["gh", *arguments, *given],
            cwd=PROJECT,
            input=json.dumps(fields),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError("There is no gh command here; GitHub's runners have it.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError("GitHub gives no answer within 120 seconds.") from error
    if done.returncode != 0:
        raise CommandError(f"GitHub refused: {done.stderr.strip()}")
    return json.loads(done.stdout or "null")
