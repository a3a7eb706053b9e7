"""`fastbpr diagnose`: what is good and bad about a model, and what to change next."""

from __future__ import annotations

import argparse
import json
from typing import Any

from fastbpr import _validation
from fastbpr._commands.models import labels_of, load
from fastbpr._commands.options import add_command, add_log_options, add_model_file, add_quiet, read_log
from fastbpr._commands.printing import note, say
from fastbpr.diagnosis import diagnose

EXAMPLES = """\
examples:
  fastbpr diagnose model.npz clicks.csv --user visitor --item sku
  fastbpr diagnose model.npz orders/ --user CustomerID --item StockCode --missing-user 0 --no-refit
  fastbpr diagnose model.npz clicks.csv --context page --context-kind kind --context-strength search=0.2

Give the log that the model was fitted to, with the same columns. To compare the model with simple lists, a model like
it is fitted again without one item of each user, which takes as long as `fastbpr fit` did."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(
        commands, "diagnose", run, "Say what is good and bad about a model, and what to change next.", EXAMPLES
    )
    add_model_file(parser)
    add_log_options(parser)
    parser.add_argument("-k", type=int, default=10, help="length of the lists that are judged (default: %(default)s)")
    parser.add_argument("--no-refit", action="store_true", help="leave the comparison with simple lists out")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="of what is held out and of the new fit (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print numbers for programs instead of sentences")
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read both, find out, and print."""
    k = _validation.check_integer("k", arguments.k, minimum=1)
    seed = _validation.check_integer("seed", arguments.seed, minimum=0)
    model = load(arguments.model)
    log = read_log(arguments)
    for what in ("user", "item"):  # those of a model of a plain matrix are its row numbers, as everywhere here
        setattr(model, f"{what}_labels", labels_of(model, what))
    refit = not arguments.no_refit
    if refit and not arguments.quiet:
        note("Fitting a model like it without one item of each user.")
    found = diagnose(model, log, K=k, refit=refit, random_state=seed, show_progress=refit and not arguments.quiet)
    say(json.dumps(found.as_dict(), indent=2) if arguments.json else str(found))
    return 0
