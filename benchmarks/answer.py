"""What a question of compare.py is answered with."""

from statistics import median
from typing import NamedTuple


class Answer(NamedTuple):
    name: str  # of the files
    facts: list  # what must be known to read the table
    table: str
    picture: object  # matplotlib's Figure, or None


def markdown(columns, rows):
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def spread(values, digits):
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} - {max(values):.{digits}f})"


def described(what, matrix, factors):
    n_users, n_items = matrix.shape
    return f"{what}, {n_users:,} users x {n_items:,} items, {matrix.nnz:,} interactions; {factors} factors"


def negatives(trainers):
    return "Negatives: " + "; ".join(f"{trainer.name}: {trainer.negatives}" for trainer in trainers)


def counted(n, noun):
    return f"{n} {noun}{'s' * (n != 1)}"
