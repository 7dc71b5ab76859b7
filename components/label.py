"""Labels of an image, as a Dockerfile gives them."""

from __future__ import annotations

from collections.abc import Mapping


def label_instruction(labels: Mapping[str, str]) -> str:
    """One LABEL instruction for all of them: each costs the builder a tenth of a second.

    Each label has a line of its own, because the builder takes no line of more than 64 KiB.
    """
    return "LABEL " + " \\\n ".join(f"{key}={_quoted(value)}" for key, value in labels.items())


def _quoted(value: str) -> str:
    """A text as the builder reads it: between quotes, with no variables in it."""
    for character in ("\\", '"', "$"):
        value = value.replace(character, f"\\{character}")
    return f'"{value}"'
