"""`fastbpr recommend`: what a user would like next."""

from __future__ import annotations

import argparse
from typing import Any

from fastbpr import _labels, _validation
from fastbpr._commands.lists import print_items
from fastbpr._commands.models import labels_of, load
from fastbpr._commands.options import add_command, add_list_length, add_model_file
from fastbpr._commands.printing import say, shown

EXAMPLES = """\
examples:
  fastbpr recommend model.npz 17850
  fastbpr recommend model.npz 17850 -n 20

What the user had in training is left out. Scores order the items of one user; between users they mean nothing."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "recommend", run, "List the items a user would like next.", EXAMPLES)
    add_model_file(parser)
    parser.add_argument("user", metavar="USER", help="the user's label")
    add_list_length(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what a user would like next."""
    n = _validation.check_integer("n", arguments.n, minimum=1)
    model = load(arguments.model)
    known = labels_of(model, "user")
    user = _labels.rows_of(known, _labels.parse_label(known, arguments.user), what="user")
    ids, scores = model.recommend(user, N=min(n, len(model.item_factors)))
    say(f"New to user {shown(known[user])}, best first:\n")
    print_items(model, ids, scores, "score")
    return 0
