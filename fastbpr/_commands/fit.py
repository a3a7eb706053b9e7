"""`fastbpr fit`: from a log to a model file."""

from __future__ import annotations

import argparse
import signal
from typing import Any

from fastbpr import _validation
from fastbpr._commands.models import busiest_items, next_command, train
from fastbpr._commands.options import add_command, add_log_options, add_model_options, model_from, read_log
from fastbpr._commands.printing import note, say

EXAMPLES = """\
examples:
  fastbpr fit clicks.csv --user visitor --item sku -o model.npz
  fastbpr fit orders/ --user CustomerID --item StockCode --context InvoiceNo --timestamp InvoiceDate \\
      --item-name Description --missing-user 0 -o model.npz
  fastbpr fit pages.parquet --user visitor --item clicked --context page --shown inview \\
      --context-kind kind --context-strength trending=1 --context-strength search=0.2 -o model.npz

Ctrl-C ends the training early and saves what was learned."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "fit", run, "Learn from a log and save the model.", EXAMPLES)
    add_log_options(parser)
    parser.add_argument("-o", "--output", metavar="MODEL", required=True, help="file to write the model to")
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, train and save; save what was learned after Ctrl-C, too."""
    model = model_from(arguments)
    _validation.check_output("output", arguments.output, inputs=arguments.files)
    log = read_log(arguments)
    for name in ("user_labels", "item_labels"):  # rather now than after training
        _validation.check_storable(name, getattr(log, name))
    code = 0
    try:
        train(model, log, show_progress=not arguments.quiet)
    except KeyboardInterrupt:
        if model.item_factors is None:
            raise
        code = 130
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not lose what is being saved
        note("Interrupted: saving the model as it is.")
    model.save(arguments.output)
    if model.history:
        last = model.history[-1]
        say(f"Epoch {last.epoch + 1} of {model.iterations}: loss {last.loss:.4f}, AUC {last.auc:.4f}.")
    say(f"The model of {log.n_users:,} users and {log.n_items:,} items is in {arguments.output}.")
    if not arguments.quiet:
        note(f"Next: {next_command(arguments.output, log.item_labels[busiest_items(log)[0]])}")
    return code
