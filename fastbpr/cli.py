"""The `fastbpr` command: what it accepts, what it does, what it prints.

Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 2 the user's mistake (one line on stderr), 130
interrupted, 141 the reader of stdout went away.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import logging
import os
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from fastbpr import _labels, _validation
from fastbpr._schedules import SCHEDULES
from fastbpr._threads import effective_threads
from fastbpr._version import __version__
from fastbpr.baselines import Popularity, Random
from fastbpr.bpr import BPR
from fastbpr.datasets import Shop, simulate_shop
from fastbpr.errors import MissingExtraError, ModelFileError, TrainingError, UnknownLabelError
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.interactions import Interactions
from fastbpr.splitting import Split, leave_one_out

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(BPR).parameters.items()}
MISTAKES = (OSError, MemoryError, MissingExtraError, ModelFileError, TrainingError, UnknownLabelError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str or None, default None
        Arguments after the command's name; None stands for those of the process.

    Raises
    ------
    SystemExit
        As argparse does: for ``--help``, ``--version`` and arguments that it cannot parse.

    Examples
    --------
    >>> main(["similar", "no-such-model.npz", "P0001"])  # with a line on stderr
    2
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title may not fit the terminal's encoding
    arguments = build_parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has had enough. Python would complain when it flushes stdout once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        note("fastbpr: interrupted")
        return 130
    except Exception as error:
        if not is_mistake(error):
            raise
        note(f"fastbpr: error: {shown(error)}")
        return 2
    return code


def is_mistake(error: Exception) -> bool:
    """Whether an error is the user's and not a bug: one of MISTAKES, or raised by a check of input."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, MISTAKES) or frame.f_globals.get("__package__") == _validation.__name__


# ---- what it accepts --------------------------------------------------------------------------------------------


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and its options."""
    parser = argparse.ArgumentParser(
        prog="fastbpr",
        description="Related items and recommendations from a log of views, clicks or purchases.",
        epilog="Start with `fastbpr demo`. `fastbpr COMMAND --help` explains a command, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"fastbpr {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], int], summary: str, examples: str) -> Any:
        """Add a command."""
        added = commands.add_parser(
            name,
            help=summary[0].lower() + summary[1:].rstrip("."),
            description=summary,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(run=run)
        return added

    demo = command("demo", run_demo, "Try it on a simulated shop: train, measure, show related items.", DEMO_EXAMPLES)
    demo.add_argument("-o", "--output", metavar="MODEL", default="fastbpr-demo.npz", help="default: %(default)s")

    fit = command("fit", run_fit, "Learn from a log and save the model.", FIT_EXAMPLES)
    add_log_options(fit)
    fit.add_argument("-o", "--output", metavar="MODEL", required=True, help="file to write the model to")
    add_model_options(fit)

    similar = command("similar", run_similar, "List the items most similar to an item.", SIMILAR_EXAMPLES)
    similar.add_argument("model", metavar="MODEL", help="file written by `fastbpr fit`")
    similar.add_argument("item", metavar="ITEM", help="the item's label, or a title that only this item has")
    similar.add_argument("-n", type=int, default=10, help="length of the list (default: %(default)s)")

    recommend = command("recommend", run_recommend, "List the items a user would like next.", RECOMMEND_EXAMPLES)
    recommend.add_argument("model", metavar="MODEL", help="file written by `fastbpr fit`")
    recommend.add_argument("user", metavar="USER", help="the user's label")
    recommend.add_argument("-n", type=int, default=10, help="length of the list (default: %(default)s)")

    judge = command(
        "evaluate",
        run_evaluate,
        "Hold one item of each user out, learn from the rest, and measure beside simple baselines.",
        EVALUATE_EXAMPLES,
    )
    add_log_options(judge)
    judge.add_argument(
        "--by",
        choices=["random", "time"],
        default="random",
        help="hold out an item at random, or the latest, which needs --timestamp (default: %(default)s)",
    )
    judge.add_argument("-k", type=int, default=10, help="length of the lists that are judged (default: %(default)s)")
    add_model_options(judge)
    return parser


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
    columns.add_argument("--timestamp", metavar="COL", help="when")
    columns.add_argument("--weight", metavar="COL", help="how much the row counts, a number above 0 (default: 1)")
    columns.add_argument("--item-name", metavar="COL", help="title of the item, shown beside its label")
    columns.add_argument("--missing-user", metavar="VALUE", help="user label that stands for unknown, such as 0")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the parameters of training."""
    training = parser.add_argument_group("training")

    def number(option: str, parameter: str, kind: type, meaning: str) -> None:
        """Add a number with the default of the model's parameter."""
        training.add_argument(
            option, dest=parameter, type=kind, metavar="N" if kind is int else "X", default=DEFAULTS[parameter],
            help=f"{meaning} (default: %(default)s)",
        )  # fmt: skip

    number("--factors", "factors", int, "length of the vectors")
    number("--learning-rate", "learning_rate", float, "step size")
    number("--regularization", "regularization", float, "pull of the vectors towards zero")
    number("--iterations", "iterations", int, "epochs")
    number("--threads", "num_threads", int, "threads; 0 uses every CPU")
    training.add_argument(
        "--seed", dest="random_state", type=int, metavar="N", default=0,
        help="the same seed gives the same model (default: %(default)s)",
    )  # fmt: skip
    training.add_argument(
        "--schedule", choices=list(SCHEDULES), default=DEFAULTS["schedule"],
        help="how threads share the work; hogwild is not reproducible (default: %(default)s)",
    )  # fmt: skip
    training.add_argument("--quiet", action="store_true", help="no progress and no notes but warnings")


DEMO_EXAMPLES = """\
examples:
  fastbpr demo
  fastbpr demo -o /tmp/demo.npz

It needs no data and no network. The simulated shop's product families are known, so the lists can be checked."""

FIT_EXAMPLES = """\
examples:
  fastbpr fit clicks.csv --user visitor --item sku -o model.npz
  fastbpr fit orders/ --user CustomerID --item StockCode --context InvoiceNo --timestamp InvoiceDate \\
      --item-name Description --missing-user 0 -o model.npz

Ctrl-C ends the training early and saves what was learned."""

SIMILAR_EXAMPLES = """\
examples:
  fastbpr similar model.npz 85123A
  fastbpr similar model.npz "party bunting" -n 20

A title may be part of one, in capitals or not, as long as one item has it."""

RECOMMEND_EXAMPLES = """\
examples:
  fastbpr recommend model.npz 17850
  fastbpr recommend model.npz 17850 -n 20

What the user had in training is left out. Scores order the items of one user; between users they mean nothing."""

EVALUATE_EXAMPLES = """\
examples:
  fastbpr evaluate clicks.csv --user visitor --item sku
  fastbpr evaluate clicks.parquet --user visitor --item sku --timestamp time --by time -k 20

hr@10 is the share of held-out items found among the first 10, ndcg@10 and mrr also reward early places, and auc is the
share of other items ranked behind. Popularity and random lists show what a number is worth."""


# ---- what it does -----------------------------------------------------------------------------------------------


def run_demo(arguments: argparse.Namespace) -> int:
    """Simulate, split, train, measure, show and save."""
    _validation.check_output("output", arguments.output)
    shop = simulate_shop(off_taste_share=0.25, random_state=0)
    log = shop.interactions()
    n_families = len(np.unique(shop.item_clusters))
    say(
        f"A simulated shop: {log.n_rows:,} clicks of {log.n_users:,} users on {log.n_items:,} items.\n"
        f"Items belong to {n_families} families (the noun in their names), and each user likes one to three of them.\n"
        "A quarter of the clicks have nothing to do with that. The model sees who clicked on what, and no names.\n"
    )
    split = leave_one_out(log, random_state=0)
    say(
        f"One item of each of {split.test.user_items.nnz:,} users is held out, and BPR learns from the rest.\n"
        "How early does the held-out item come in a list? hr@10 is the share found among the first 10."
    )
    model = BPR(random_state=0)
    train(model, split.train, show_progress=True)
    print_evaluation(model, split, k=10)
    by_users = busiest_items(log)
    print_families(model, shop, by_users[[0, 1, log.n_items // 4, log.n_items // 2]])
    model.save(arguments.output)
    say(
        f"\nThe model is in {arguments.output}. Next:\n  {next_command(arguments.output, log.item_labels[by_users[0]])}"
    )
    return 0


def print_families(model: BPR, shop: Shop, items: np.ndarray) -> None:
    """Show the neighbours of some items, and how many of all neighbours are of their item's own family."""
    ids, cosines = model.similar_items(items, N=6)
    rows = [
        [model.item_names[item] if place == 0 else "", model.item_names[neighbour], cosine]
        for item, neighbours, values in zip(items, ids[:, 1:], cosines[:, 1:], strict=True)
        for place, (neighbour, cosine) in enumerate(zip(neighbours, values, strict=True))
    ]
    say("\nRelated items of the two most clicked items, of a less clicked one and of one in the middle\n")
    print_table(["item", "most similar", "cosine"], rows)

    families = shop.clusters_of(model.item_labels)
    neighbours = model.similar_items(np.arange(len(families)), N=11)[0][:, 1:]
    share = np.mean(families[neighbours] == families[:, None])
    chance = np.mean((np.bincount(families)[families] - 1) / (len(families) - 1))
    say(f"\nOf the 10 most similar items of every item, {share:.1%} are of its own family (by chance {chance:.1%}).")


def run_fit(arguments: argparse.Namespace) -> int:
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


def run_similar(arguments: argparse.Namespace) -> int:
    """Print an item's neighbours."""
    n = _validation.check_integer("n", arguments.n, minimum=1)
    model = load(arguments.model)
    item = item_row(model, arguments.item)
    ids, cosines = model.similar_items(item, N=min(n, len(model.item_factors)) + 1)
    say(f"Most similar to {shown(_labels.described(labels_of(model, 'item'), model.item_names, item))}:\n")
    print_items(model, ids[1:], cosines[1:], "cosine")
    return 0


def run_recommend(arguments: argparse.Namespace) -> int:
    """Print what a user would like next."""
    n = _validation.check_integer("n", arguments.n, minimum=1)
    model = load(arguments.model)
    known = labels_of(model, "user")
    user = _labels.rows_of(known, _labels.parse_label(known, arguments.user), what="user")
    ids, scores = model.recommend(user, N=min(n, len(model.item_factors)))
    say(f"New to user {shown(known[user])}, best first:\n")
    print_items(model, ids, scores, "score")
    return 0


def run_evaluate(arguments: argparse.Namespace) -> int:
    """Split, train, and print metrics beside those of the baselines."""
    model = model_from(arguments)
    k = _validation.check_integer("k", arguments.k, minimum=1)
    _validation.check_by_time(arguments.by, arguments.timestamp)
    log = read_log(arguments)
    split = leave_one_out(log, by=arguments.by, random_state=arguments.random_state)
    n_held_out = split.test.user_items.nnz
    _validation.check_held_out(n_held_out, log.n_users)
    train(model, split.train, show_progress=not arguments.quiet)
    held_out = "latest item" if arguments.by == "time" else "item drawn at random"
    say(f"Users evaluated, each by the {held_out}: {n_held_out:,}.")
    say(f"Users with a single item, who stayed in training: {split.n_single_item_users:,}.")
    print_evaluation(model, split, k)
    return 0


# ---- steps ------------------------------------------------------------------------------------------------------


def model_from(arguments: argparse.Namespace) -> BPR:
    """Make the model that the options describe."""
    names = ("factors", "learning_rate", "regularization", "iterations", "num_threads", "random_state", "schedule")
    _validation.check_seed("seed", arguments.random_state)
    return BPR(**{name: getattr(arguments, name) for name in names})


def read_log(arguments: argparse.Namespace) -> Interactions:
    """Read the files, and tell what was read."""
    files = arguments.files
    kind = _validation.check_log_files(files)
    roles = ("user", "item", "context", "timestamp", "weight", "item_name")
    options = {role: getattr(arguments, role) for role in roles}
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


def train(model: BPR, interactions: Interactions, *, show_progress: bool) -> None:
    """Fit the model, and tell how long it took."""
    start = time.perf_counter()
    model.fit(interactions, show_progress=show_progress)
    if show_progress:
        threads = effective_threads(model.num_threads)
        seconds = time.perf_counter() - start
        note(f"Trained in {seconds:.1f} s on {threads} thread{'s' * (threads > 1)}.")


def load(path: str) -> BPR:
    """Read a model file."""
    _validation.check_file(path)
    return BPR.load(path)


def labels_of(model: BPR, what: str) -> np.ndarray:
    """Return the labels of a model's users or items; row numbers if it was fitted to a matrix."""
    labels = getattr(model, f"{what}_labels")
    return np.arange(len(getattr(model, f"{what}_factors"))) if labels is None else labels


def item_row(model: BPR, text: str) -> int:
    """Find an item by its label or else by its title, whole or in part."""
    known, names = labels_of(model, "item"), model.item_names
    try:
        return _labels.rows_of(known, _labels.parse_label(known, text), what="item", names=names)
    except UnknownLabelError:
        titles = [] if names is None else [(name or "").casefold() for name in names]
        wanted = text.casefold()
        found = [row for row, title in enumerate(titles) if title == wanted]
        found = found or [row for row, title in enumerate(titles) if wanted in title]
        if not found:
            raise
        _validation.check_one_title(text, [_labels.described(known, names, row) for row in found])
        return found[0]


def busiest_items(log: Interactions) -> np.ndarray:
    """Return item rows, those that most users have first."""
    return np.argsort(-np.bincount(log.user_items.indices, minlength=log.n_items), kind="stable")


def next_command(path: str, label: Any) -> str:
    """Return the command that lists the neighbours of an item."""
    return f"fastbpr similar {shlex.quote(path)} {shlex.quote(str(label))}"


# ---- what it prints ---------------------------------------------------------------------------------------------


def say(text: str) -> None:
    """Print a result."""
    print(text, flush=True)  # in order with what goes to stderr


def note(text: str) -> None:
    """Print what is not a result."""
    print(text, file=sys.stderr, flush=True)


def print_items(model: BPR, rows: np.ndarray, scores: np.ndarray, score_name: str) -> None:
    """Print a ranked list of items; rows of -1, for a list that is too short, are left out."""
    labels, names = labels_of(model, "item"), model.item_names
    found = [(int(row), float(score)) for row, score in zip(rows, scores, strict=True) if row >= 0]
    cells = [[rank, str(labels[row]), score] for rank, (row, score) in enumerate(found, start=1)]
    header = ["rank", "label", score_name]
    if names is not None:
        header.append("name")
        cells = [[*line, names[row] or ""] for line, (row, _) in zip(cells, found, strict=True)]
    print_table(header, cells)


def print_evaluation(model: BPR, split: Split, k: int) -> None:
    """Print metrics of a model beside those of the baselines, for users and for items."""
    train, test = split
    models = {"BPR": model, "popularity": Popularity().fit(train), "random": Random(random_state=0).fit(train)}
    threads = model.num_threads
    tables = {
        "Recommendations: each held-out item among all items that are new to its user": {
            name: evaluate(one, train, test, k, ("hr", "ndcg", "mrr", "auc"), num_threads=threads)
            for name, one in models.items()
        },
        "Similar items: each held-out item among the items most similar to the user's other items": {
            name: evaluate_similar_items(one, train, test, k, ("hr", "ndcg", "mrr"), num_threads=threads)
            for name, one in models.items()
        },
    }
    for title, results in tables.items():
        say(f"\n{title}\n")
        print_table(["", *results["BPR"]], [[name, *values.values()] for name, values in results.items()])


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
