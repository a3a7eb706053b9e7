"""How commands print: results to stdout, the rest to stderr."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def say(text: str) -> None:
    """Print a result."""
    print(text, flush=True)  # in order with what goes to stderr


def note(text: str) -> None:
    """Print what is not a result."""
    print(text, file=sys.stderr, flush=True)


def print_table(header: list[str], rows: list[list[Any]]) -> None:
    """Print columns: numbers to the right, texts to the left, on one line each."""
    numeric = [not isinstance(cell, str) for cell in rows[0]] if rows else [False] * len(header)
    lines = [header, *([shown(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        say("  ".join(cells).rstrip())


def shown(value: Any) -> str:
    """Return a value as text on one line; control characters, which a title may have, become spaces."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4f}"
    return " ".join("".join(character if character.isprintable() else " " for character in str(value)).split())
