"""`fastbpr demo`: everything once, on simulated data."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from fastbpr import _validation
from fastbpr._commands.evaluate import print_evaluation
from fastbpr._commands.models import busiest_items, next_command, train
from fastbpr._commands.options import add_command
from fastbpr._commands.printing import print_table, say
from fastbpr.bpr import BPR
from fastbpr.datasets import Shop, simulate_shop
from fastbpr.exposure import co_exposure
from fastbpr.splitting import leave_one_out

EXAMPLES = """\
examples:
  fastbpr demo
  fastbpr demo -o /tmp/demo.npz

It needs no data and no network. The simulated shop's product families are known, so the lists can be checked."""


def add(commands: Any) -> None:
    """Say what the command accepts."""
    parser = add_command(
        commands, "demo", run, "Try it on a simulated shop: train, measure, show related items.", EXAMPLES
    )
    parser.add_argument("-o", "--output", metavar="MODEL", default="fastbpr-demo.npz", help="default: %(default)s")


def run(arguments: argparse.Namespace) -> int:
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
    show_pages()
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
    print_table(["item", "most similar", model.similarity], rows)

    families = shop.clusters_of(model.item_labels)
    neighbours = model.similar_items(np.arange(len(families)), N=11)[0][:, 1:]
    share = np.mean(families[neighbours] == families[:, None])
    chance = np.mean((np.bincount(families)[families] - 1) / (len(families) - 1))
    say(f"\nOf the 10 most similar items of every item, {share:.1%} are of its own family (by chance {chance:.1%}).")


def show_pages() -> None:
    """Show an item's neighbours in the same shop with trending pages, without and with debias."""
    shop = simulate_shop(off_taste_share=0.25, trending_share=0.5, random_state=0)
    log = shop.interactions()
    say(
        "\nNow the shop puts 40 trending pages on show, of 24 items that have nothing to do with each other. Half of\n"
        f"{log.n_rows:,} clicks are made there. Related items of the most clicked one, before and after:\n"
    )
    models = [BPR(random_state=0, debias=debias).fit(log, show_progress=False) for debias in (None, "context")]
    item = busiest_items(log)[0]
    lists = [model.similar_items(item, N=6)[0][1:] for model in models]
    names = [[log.item_names[item] if place == 0 else ""] for place in range(len(lists[0]))]
    rows = [
        own + [log.item_names[other] for other in pair]
        for own, pair in zip(names, zip(*lists, strict=True), strict=True)
    ]
    print_table(["item", "BPR()", 'BPR(debias="context")'], rows)
    families = shop.clusters_of(log.item_labels)
    groups = [co_exposure(model, log, groups=families) for model in models]
    say(
        f"\nOf the neighbours of items on these pages, {groups[0].ceo:.0%} share a page with them and no family; with "
        f"debias {groups[1].ceo:.0%} (by chance {groups[0].chance:.0%})."
    )
