"""`fastbpr export`: lists for all items or users, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from fastbpr import _labels, _validation, export
from fastbpr._commands.models import labels_of, load
from fastbpr._commands.options import add_command, add_list_length, add_model_file, add_quiet, add_similarity
from fastbpr._commands.printing import note, say
from fastbpr.bpr import BPR

EXAMPLES = """\
examples:
  fastbpr export model.npz -o neighbours.parquet
  fastbpr export model.npz -o neighbours.csv -n 20 --titles --items bestsellers.txt
  fastbpr export model.npz -o lists.parquet --what recommendations
  fastbpr export model.npz -o neighbours.parquet --approximate

Columns: label, neighbour, rank (from 1), score; or user, item, rank, score. --approximate
builds an index first, which takes less time in all only with about a million items or more
(needs fastbpr[ann])."""

WHAT = ("neighbours", "recommendations")


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "export", run, "Write the lists of all items, or of all users, to a file.", EXAMPLES)
    add_model_file(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="a .parquet or .csv file to write")
    parser.add_argument("--what", choices=WHAT, default=WHAT[0], help="which lists (default: %(default)s)")
    add_list_length(parser)
    parser.add_argument("--items", metavar="FILE", help="labels, one on a line, of the items to list neighbours of")
    parser.add_argument("--titles", action="store_true", help="write the items' titles, too")
    parser.add_argument(
        "--filter-items", metavar="FILE", help="labels, one on a line, of items that no list is to have"
    )
    add_similarity(parser, None, "the model's own choice")
    parser.add_argument("--approximate", action="store_true", help="look lists up in an index, which is built first")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the table, and tell how many rows it has."""
    n = _validation.check_integer("n", arguments.n, minimum=1)
    for option, value in (("items", arguments.items), ("similarity", arguments.similarity)):
        _validation.check_option_of(option, value, arguments.what, WHAT[0])
    _validation.check_export_format("output", arguments.output)
    _validation.check_output("output", arguments.output, inputs=[arguments.model])
    _validation.require("pyarrow", extra="io", purpose="Writing tables")
    model = load(arguments.model)
    rows = {option: rows_in_file(model, getattr(arguments, option)) for option in ("items", "filter_items")}
    options = {"K": n, "titles": arguments.titles, "show_progress": not arguments.quiet}
    options["filter_items"] = rows["filter_items"]
    if arguments.similarity is not None:
        model.similarity = arguments.similarity
    if arguments.what == "neighbours":
        options["items"] = rows["items"]
    if arguments.approximate:
        model = with_index(model, "similar_items" if arguments.what == "neighbours" else "recommend", arguments.quiet)
    n_rows = getattr(export, arguments.what)(model, arguments.output, **options)
    say(f"{n_rows:,} rows are in {arguments.output}.")
    return 0


def with_index(model: BPR, name: str, quiet: bool) -> BPR:
    """Return the model with an index for one kind of lists, and tell how good it is."""
    wanted = {other: other == name for other in ("similar_items", "recommend")}
    served = model.with_index(**wanted, show_progress=not quiet)
    if not quiet:
        recall = served.index_recall(n_queries=200)[name]
        note(f"The index finds {100 * recall:.1f} % of the ten best (200 queries).")
    return served


def rows_in_file(model: BPR, path: str | None) -> np.ndarray | None:
    """Return the rows of the items whose labels are in a file, one on a line; None without a file."""
    if path is None:
        return None
    _validation.check_file(path)
    known = labels_of(model, "item")
    lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    labels = [_labels.parse_label(known, line.strip()) for line in lines if line.strip()]
    return np.atleast_1d(_labels.rows_of(known, labels, what="item", names=model.item_names))
