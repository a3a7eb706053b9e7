"""`fastbpr fit`: from a log to a model file."""

from __future__ import annotations

import argparse
import signal
from typing import Any

from fastbpr import _validation
from fastbpr._commands.models import busiest_items, next_command, train
from fastbpr._commands.options import (
    DEFAULT_METRIC,
    add_command,
    add_log_options,
    add_model_options,
    add_validation_options,
    model_from,
    read_log,
)
from fastbpr._commands.printing import note, say
from fastbpr._early_stopping import ValidationRules
from fastbpr._sentences import counted
from fastbpr.interactions import Interactions
from fastbpr.splitting import leave_one_out_of_some

EXAMPLES = """\
examples:
  fastbpr fit clicks.csv --user visitor --item sku -o model.npz
  fastbpr fit orders/ --user CustomerID --item StockCode --context InvoiceNo --timestamp InvoiceDate \\
      --item-name Description --missing-user 0 -o model.npz
  fastbpr fit pages.parquet --user visitor --item clicked --context page --shown inview \\
      --context-kind kind --context-strength trending=1 --context-strength search=0.2 -o model.npz
  fastbpr fit clicks.csv --user visitor --item sku --context page --debias context -o model.npz
  fastbpr fit clicks.csv --user visitor --item sku --validation 0.1 --patience 5 -o model.npz

Ctrl-C ends the training early and saves what was learned."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "fit", run, "Learn from a log and save the model.", EXAMPLES)
    add_log_options(parser)
    parser.add_argument("-o", "--output", metavar="MODEL", required=True, help="file to write the model to")
    add_model_options(parser)
    add_validation_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, train and save; save what was learned after Ctrl-C, too."""
    model = model_from(arguments)
    check_validation(arguments)
    _validation.check_output("output", arguments.output, inputs=arguments.files)
    log = read_log(arguments)
    for name in ("user_labels", "item_labels"):  # rather now than after training
        _validation.check_storable(name, getattr(log, name))
    code, learned, options = 0, log, {}
    if arguments.validation is not None:
        learned, options = held_out(log, arguments)
    try:
        train(model, learned, show_progress=not arguments.quiet, **options)
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
    if model.best_epoch is not None:
        value, n_users = model.history[model.best_epoch].validation, options["validation"].user_items.nnz
        say(
            f"The model is that of epoch {model.best_epoch + 1}, the best by {options['metric']} of "
            f"{counted('held-out item', n_users)}: {value:.4f}."
        )
    if model.debiasing is not None and model.debiasing.n_contexts:  # else a warning has told why it did nothing
        say(model.debiasing.sentence())
    say(f"The model of {log.n_users:,} users and {log.n_items:,} items is in {arguments.output}.")
    if not arguments.quiet:
        note(f"Next: {next_command(arguments.output, log.item_labels[busiest_items(log)[0]])}")
    return code


def check_validation(arguments: argparse.Namespace) -> None:
    """Refuse options of validation before anything is read."""
    if arguments.validation is None:
        _validation.check_unused(
            instead="Hold some users' items out: --validation SHARE.",
            patience=arguments.patience,
            metric=arguments.metric,
        )
        return
    _validation.check_part("validation", arguments.validation)
    ValidationRules.checked(arguments.patience, arguments.metric or DEFAULT_METRIC, None, None, is_validated=True)


def held_out(log: Interactions, arguments: argparse.Namespace) -> tuple[Interactions, dict[str, Any]]:
    """Return what to learn from, and the arguments of `BPR.fit` that are about what is held out of the log."""
    by = "random" if log.timestamps is None else "time"
    learned, validation = leave_one_out_of_some(log, arguments.validation, by, arguments.random_state)
    _validation.check_held_out(validation.user_items.nnz, log.n_users)
    return learned, {
        "validation": validation,
        "validation_users": None,  # all: so many were asked for
        "patience": arguments.patience,
        "metric": arguments.metric or DEFAULT_METRIC,
    }
