"""`fastbpr evaluate`: how good lists are on what was held out, beside simple baselines."""

from __future__ import annotations

import argparse
from typing import Any

from fastbpr import _validation
from fastbpr._commands.models import train
from fastbpr._commands.options import add_command, add_log_options, add_model_options, model_from, read_log
from fastbpr._commands.printing import print_table, say
from fastbpr.baselines import ItemCooccurrence, Popularity, Random
from fastbpr.bpr import BPR
from fastbpr.evaluation import evaluate, evaluate_similar_items
from fastbpr.splitting import Split, leave_one_out

EXAMPLES = """\
examples:
  fastbpr evaluate clicks.csv --user visitor --item sku
  fastbpr evaluate clicks.parquet --user visitor --item sku --timestamp time --by time -k 20

hr@10 is the share of held-out items found among the first 10, ndcg@10 and mrr also reward early places, and auc is the
share of other items ranked behind. Lists by co-occurrence (cosine of who has two items), by popularity and at random
show what a number is worth."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        "Hold one item of each user out, learn from the rest, and measure beside simple baselines.",
        EXAMPLES,
    )
    add_log_options(parser)
    parser.add_argument(
        "--by",
        choices=["random", "time"],
        default="random",
        help="hold out an item at random, or the latest, which needs --timestamp (default: %(default)s)",
    )
    parser.add_argument("-k", type=int, default=10, help="length of the lists that are judged (default: %(default)s)")
    add_model_options(parser)


def run(arguments: argparse.Namespace) -> int:
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


def print_evaluation(model: BPR, split: Split, k: int) -> None:
    """Print metrics of a model beside those of the baselines, for users and for items."""
    train, test = split
    baselines = {"co-occurrence": ItemCooccurrence(), "popularity": Popularity(), "random": Random(random_state=0)}
    models = {"BPR": model} | {name: baseline.fit(train) for name, baseline in baselines.items()}
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
