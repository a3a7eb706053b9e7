"""`fastbpr tune`: the parameters that suit a log."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr._commands.models import train
from fastbpr._commands.options import DEFAULT_METRIC, add_command, add_log_options, add_quiet, read_log
from fastbpr._commands.printing import note, print_table, say
from fastbpr._sentences import counted
from fastbpr.bpr import DEFAULTS
from fastbpr.tuning import Tuning, tune

EXAMPLES = """\
examples:
  fastbpr tune clicks.csv --user visitor --item sku --minutes 5 -o model.npz
  fastbpr tune orders/ --user CustomerID --item StockCode --timestamp InvoiceDate --missing-user 0 --metric recall@10

One item of each user is held out to compare by: the latest with --timestamp, else one at random. The model that -o
writes has learned from everything, held-out items too. Ctrl-C ends the search early and goes on with what was found."""

SHOWN = 10  # trials


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(commands, "tune", run, "Search for the parameters that suit a log.", EXAMPLES)
    add_log_options(parser)
    parser.add_argument(
        "--minutes", type=float, metavar="X", help="time to search (default: 10, no limit with --trials)"
    )
    parser.add_argument("--trials", type=int, metavar="N", help="search without a limit of time, but so many models")
    parser.add_argument("--metric", default=DEFAULT_METRIC, help="what is to be large (default: %(default)s)")
    parser.add_argument("-o", "--output", metavar="MODEL", help="file to write a model with the best parameters to")
    parser.add_argument("--threads", type=int, metavar="N", default=0, help="threads; 0 uses every CPU")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0,
        help="the same seed and --trials give the same result (default: %(default)s)",
    )  # fmt: skip
    add_quiet(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search, print, and fit to everything."""
    minutes = 10.0 if arguments.minutes is None and arguments.trials is None else arguments.minutes
    _validation.check_budget(minutes, arguments.trials)
    _validation.check_seed("seed", arguments.seed)
    _validation.require("optuna", extra="tune", purpose="Tuning")
    if arguments.output is not None:
        _validation.check_output("output", arguments.output, inputs=arguments.files)
    log = read_log(arguments)
    _validation.check_held_out(np.count_nonzero(np.diff(log.user_items.indptr) > 1), log.n_users)
    if arguments.output is not None:
        for name in ("user_labels", "item_labels"):  # rather now than after the search
            _validation.check_storable(name, getattr(log, name))
    found = tune(
        log,
        minutes=minutes,
        n_trials=arguments.trials,
        metric=arguments.metric,
        random_state=arguments.seed,
        show_progress=not arguments.quiet,
        num_threads=arguments.threads,
    )
    print_tuning(found)
    if found.interrupted:
        note("Interrupted: going on with the best so far. Ctrl-C again ends it without a model.")
    if arguments.output is not None:
        model = found.model()
        train(model, log, show_progress=not arguments.quiet)
        model.save(arguments.output)
        say(f"\nThe model of {log.n_users:,} users and {log.n_items:,} items is in {arguments.output}.")
    return 130 if found.interrupted else 0


def print_tuning(found: Tuning) -> None:
    """Print the best trials, and the parameters that are not the defaults."""
    rows = found.best_first()
    complete = [row for row in rows if row["state"] == "complete"]
    others = {state: sum(row["state"] == state for row in rows) for state in ("pruned", "failed")}
    counts = ", ".join(f"{count} {state}" for state, count in others.items())
    say(f"{len(rows)} trials: {len(complete)} complete, {counts}. Trial 0 has the settings to start from.\n")
    names = [name for name in rows[0] if name not in ("state", "reason", "value", "best_epoch", "epochs", "seconds")]
    cells = [[row["value"], *("-" if row[name] is None else row[name] for name in names)] for row in complete[:SHOWN]]
    print_table([found.metric, *names], cells)
    if found.best_value is None:
        hint = " Give it more time." if any(row["state"] == "pruned" for row in rows) else ""
        say(f"No trial was complete: these are the settings to start from.{hint}")
    values = {
        name: value
        for name, value in found.best_parameters.items()
        if value != DEFAULTS[name] and name not in ("num_threads", "random_state")
    }
    say("\nBPR(" + ", ".join(f"{name}={value!r}" for name, value in values.items()) + ")")
    failed = [row for row in found.table if row["state"] == "failed"]
    if failed:
        number, reason = failed[0]["trial"], failed[0]["reason"].rstrip(".")
        say(f"\n{counted('trial', len(failed))} failed, such as trial {number}: {reason}.")
