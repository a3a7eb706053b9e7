"""`fastbpr similar`: the neighbours of an item."""

from __future__ import annotations

import argparse
from typing import Any

from fastbpr import _labels, _validation
from fastbpr._commands.lists import print_items
from fastbpr._commands.models import item_row, labels_of, load
from fastbpr._commands.options import add_command, add_list_length, add_model_file, add_similarity
from fastbpr._commands.printing import say, shown

EXAMPLES = """\
examples:
  fastbpr similar model.npz 85123A
  fastbpr similar model.npz "party bunting" -n 20

A title may be part of one, in capitals or not, as long as one item has it."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "similar", run, "List the items most similar to an item.", EXAMPLES)
    add_model_file(parser)
    parser.add_argument("item", metavar="ITEM", help="the item's label, or a title that only this item has")
    add_list_length(parser)
    add_similarity(parser, None, "the model's own choice")


def run(arguments: argparse.Namespace) -> int:
    """Print an item's neighbours."""
    n = _validation.check_integer("n", arguments.n, minimum=1)
    model = load(arguments.model)
    item = item_row(model, arguments.item)
    similarity = model.similarity if arguments.similarity is None else arguments.similarity
    ids, scores = model.similar_items(item, N=min(n, len(model.item_factors)) + 1, similarity=similarity)
    say(f"Most similar to {shown(_labels.described(labels_of(model, 'item'), model.item_names, item))}:\n")
    print_items(model, ids[1:], scores[1:], similarity)
    return 0
