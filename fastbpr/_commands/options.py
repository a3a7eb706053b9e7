"""What commands accept, and the objects that the options describe."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr._commands.printing import note
from fastbpr._debias import DEBIAS_PRESETS
from fastbpr._negatives import LOSSES, NEGATIVES, OPTIMIZERS
from fastbpr._presets import AUTO, DECIDED, PRESETS
from fastbpr._schedules import SCHEDULES
from fastbpr._similarity import MAPS
from fastbpr.bpr import BPR, DEFAULTS
from fastbpr.interactions import Interactions

LOSSES_OF_LOGS = [loss for loss in LOSSES if loss != "logistic"]  # which needs to know what users do not want
DEFAULT_METRIC = inspect.signature(BPR.fit).parameters["metric"].default

HOW_VALIDATED = """\
With --validation SHARE one item of each of so many of the users is held out, and
the model never learns it: the latest item with --timestamp, else one at random.
The users are drawn among those with two items or more. How early these items
come in their recommendations is measured from time to time, and the epoch that
was best is kept. Without it the model learns from the whole log, for all epochs."""


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command to the subparsers and return its own parser."""
    added = commands.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    added.set_defaults(run=run)
    return added


def add_model_file(parser: argparse.ArgumentParser) -> None:
    """Add the file of a fitted model."""
    parser.add_argument("model", metavar="MODEL", help="file written by `fastbpr fit`")


def add_list_length(parser: argparse.ArgumentParser) -> None:
    """Add the length of the list that is printed."""
    parser.add_argument("-n", type=int, default=10, help="length of the list (default: %(default)s)")


def add_log_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which columns of which files are the log."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        help="a .csv file with a header, or .parquet files, or a folder of .parquet files",
    )
    columns = parser.add_argument_group("columns of the log")
    columns.add_argument("--user", metavar="COL", required=True, help="who")
    columns.add_argument("--item", metavar="COL", required=True, help="did something with what")
    columns.add_argument("--context", metavar="COL", help="on which page, in which session or basket")
    columns.add_argument("--context-kind", metavar="COL", help="of which kind that is, such as trending or search")
    columns.add_argument(
        "--context-strength", metavar="[KIND=]X", action="append",
        help="how much of what happens together there, from 0 to 1, is owed to being shown together: for contexts of "
        "a kind, once for each kind, or for all (default: 1)",
    )  # fmt: skip
    columns.add_argument("--shown", metavar="COL", help="lists of the items shown there (Parquet only)")
    columns.add_argument("--timestamp", metavar="COL", help="when")
    columns.add_argument("--weight", metavar="COL", help="how much the row counts, a number above 0 (default: 1)")
    columns.add_argument("--item-name", metavar="COL", help="title of the item, shown beside its label")
    columns.add_argument("--missing-user", metavar="VALUE", help="user label that stands for unknown, such as 0")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the parameters of training."""
    training = parser.add_argument_group("training")

    def number(option: str, parameter: str, kind: type, meaning: str) -> None:
        """Add a number; left out, it is the preset's or the default of the model's parameter."""
        read = or_auto(kind) if parameter in DECIDED else kind
        training.add_argument(
            option, dest=parameter, type=read, metavar="N" if kind is int else "X",
            help=f"{meaning} (default: {DEFAULTS[parameter]})",
        )  # fmt: skip

    training.add_argument(
        "--preset", choices=list(PRESETS),
        help="settings that suit most data in place of the defaults; options beside it change them",
    )  # fmt: skip
    number("--factors", "factors", int, "length of the vectors")
    number("--learning-rate", "learning_rate", float, "step size")
    number("--regularization", "regularization", float, "pull of the vectors towards zero")
    number("--iterations", "iterations", int, "epochs")
    for parameter, choices, meaning in (
        ("loss", LOSSES_OF_LOGS, "what is minimised"),
        ("negatives", NEGATIVES, "how items that the user does not have are drawn to learn from"),
        ("optimizer", OPTIMIZERS, "how vectors are moved"),
    ):
        training.add_argument(
            f"--{parameter}", choices=list(choices), help=f"{meaning} (default: {DEFAULTS[parameter]})"
        )
    number("--n-negatives", "n_negatives", int, "negatives for each positive")
    number("--n-candidates", "n_candidates", int, "draws of which a dynamic negative is the best")
    number("--n-positives", "n_positives", int, "positives that k-os-warp draws for a step")
    number("--positive-rank", "positive_rank", int, "which of them it takes, from 1, the best")
    number("--rho", "rho", float, "what adadelta keeps of its running means")
    number("--epsilon", "epsilon", float, "what adadelta adds to them")
    number("--threads", "num_threads", int, "threads; 0 uses every CPU")
    training.add_argument(
        "--seed", dest="random_state", type=int, metavar="N", default=0,
        help="the same seed gives the same model (default: %(default)s)",
    )  # fmt: skip
    training.add_argument(
        "--schedule", choices=list(SCHEDULES),
        help=f"how threads share the work; hogwild is not reproducible (default: {DEFAULTS['schedule']})",
    )  # fmt: skip
    training.add_argument(
        "--debias", choices=list(DEBIAS_PRESETS),
        help="keep items apart that only shared a page; needs --context (default: nothing is done)",
    )  # fmt: skip
    add_similarity(training, DEFAULTS["similarity"], "%(default)s")
    add_quiet(training)


def add_similarity(parser: Any, default: str | None, described: str) -> None:
    """Add the option to a parser or a group of its options."""
    parser.add_argument(
        "--similarity", choices=list(MAPS), default=default, help=f"how items are compared (default: {described})"
    )


def add_validation_options(parser: argparse.ArgumentParser) -> None:
    """Add what is held out during training to tell when it is time to stop."""
    group = parser.add_argument_group("validation", HOW_VALIDATED)
    group.add_argument("--validation", type=float, metavar="SHARE", help="share of users, between 0 and 1, such as 0.1")
    group.add_argument(
        "--patience", type=int, metavar="N", help="stop after so many validations without a new best (default: never)"
    )
    group.add_argument("--metric", help=f"what is to be large, such as recall@10 (default: {DEFAULT_METRIC})")


def or_auto(kind: type) -> Callable[[str], Any]:
    """Return what reads a number or the word that leaves it to the data."""

    def read(text: str) -> Any:
        return text if text == AUTO else kind(text)

    read.__name__ = kind.__name__  # argparse's messages name it
    return read


def add_quiet(parser: Any) -> None:
    """Add the option to a parser or a group of its options."""
    parser.add_argument("--quiet", action="store_true", help="no progress and no notes but warnings")


def model_from(arguments: argparse.Namespace) -> BPR:
    """Make the model that the options describe."""
    _validation.check_seed("seed", arguments.random_state)
    _validation.check_debias_option(arguments.debias, arguments.context)
    given = {name: getattr(arguments, name, None) for name in DEFAULTS}
    given = {name: value for name, value in given.items() if value is not None}
    return BPR(**given) if arguments.preset is None else BPR.preset(arguments.preset, **given)


def read_log(arguments: argparse.Namespace) -> Interactions:
    """Read the files, and tell what was read."""
    files = arguments.files
    kind = _validation.check_log_files(files)
    roles = ("user", "item", "context", "context_kind", "shown", "timestamp", "weight", "item_name")
    options = {role: getattr(arguments, role) for role in roles}
    options["context_strengths"] = _validation.check_strength_options(arguments.context_strength)
    options["missing_user"] = meanings(arguments.missing_user)
    with without_warnings_of_the_library():  # the summary has them
        if kind == "csv":
            log = Interactions.from_csv(files[0], **options)
        else:
            log = Interactions.from_parquet(files if len(files) > 1 else files[0], **options)
    if log.bad_rows or not arguments.quiet:
        note(log.summary().replace("missing_user=", "--missing-user "))
    return log


def meanings(text: str | None) -> np.ndarray | None:
    """Return the labels that a text may stand for while the column's type is not known: itself and a number."""
    if text is None:
        return None
    labels: list[Any] = [text]
    with contextlib.suppress(ValueError):
        labels.append(float(text))
    return np.array(labels, dtype=object)


@contextlib.contextmanager
def without_warnings_of_the_library() -> Iterator[None]:
    """Keep the library's logger silent for a while."""
    logger = logging.getLogger("fastbpr")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
