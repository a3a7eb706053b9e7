"""Co-exposure bias and what is done about it: neighbours that are alike, or that only shared a page.

    python benchmarks/co_exposure.py table    [--seeds 5]                  # simulated shop, Markdown
    python benchmarks/co_exposure.py pictures [--seeds 2] [--output FOLDER]
    python benchmarks/co_exposure.py cost     [--repetitions 7]            # nanoseconds per update
    FASTBPR_DATA=folder python benchmarks/co_exposure.py real [--seeds 5]  # files

The shop (`fastbpr.datasets.simulate_shop`: 6,000 users, 1,500 items in 40 families, half of the clicks off the user's
tastes, 40 trending pages of 24 items that have nothing to do with families) is known to the last click. Its *twin* has
the same clicks but for those on trending pages: what an oracle would learn from. All figures but NDCG are about items
that were on a page:

excess CEO@10  share of neighbours of other families that were on a page with the item, less what random items have
precision@10   share of neighbours of the item's own family
Jaccard@10     of the lists with those that a model learned from the twin
user NDCG@10   of one click of each user outside pages, held out; all items are ranked
"""

import argparse
import os
from itertools import product
from pathlib import Path
from statistics import median

import numpy as np
import scipy.sparse

from fastbpr import BPR, Interactions
from fastbpr.datasets import simulate_shop
from fastbpr.evaluation import evaluate, evaluate_across_contexts, evaluate_similar_items
from fastbpr.exposure import Debias, co_exposure, reranked, without_context_directions
from fastbpr.splitting import leave_one_out, leave_one_out_across_contexts

PARAMETERS = {"factors": 32, "iterations": 60}
K = 10
METHODS = {
    "plain": None,
    '"context"': "context",
    '"context-strong"': "context-strong",
    "negatives of the context, rate 0.5": Debias(0.5),
    "weights by share, 1e-4": Debias(0, context_threshold=1e-4),
    "cap, 1": Debias(0, cap=1),
    "tetrads, 0.4": Debias(0, tetrad_share=0.4),
    "offset, 1": Debias(0, offset=1),
    "propensities, 0.5 (popularity only)": Debias(0, propensity_power=0.5),
}
AFTERWARDS = {
    "plain, without context directions": without_context_directions,
    "plain, re-ranked": reranked,
}
PLACEBOS = ('"context"', '"context-strong"', "weights by share, 1e-4", "cap, 1")
MARKERS = "osD^vP*X"
PRESETS = ("plain", '"context"', '"context-strong"')


# ---- the simulated shop -----------------------------------------------------------------------------------------


class Shop:
    """A simulated shop's log, its twin's, and one click of each user outside pages held out from both."""

    def __init__(self, seed, **options):
        self.shop = simulate_shop(random_state=seed, **options)
        self.held_out = one_click_outside_pages(self.shop, seed)
        held = set(zip(self.shop.users[self.held_out].tolist(), self.shop.items[self.held_out].tolist(), strict=True))
        pairs = zip(self.shop.users.tolist(), self.shop.items.tolist(), strict=True)
        self.kept = np.fromiter((pair not in held for pair in pairs), dtype=bool, count=len(self.shop.users))
        self.on_pages = sorted({item for items in self.shop.shown.values() for item in items})
        self.twin_lists = None

    def log(self, strength=1.0, shuffled=None, twin=False, seed=0):
        """The training log; with ids of contexts shuffled, among "all" rows or those on "pages", they say nothing."""
        trending = self.shop.context_kinds == "trending"
        rows = np.flatnonzero(self.kept & ~trending if twin else self.kept)
        contexts, kinds = self.shop.contexts[rows], self.shop.context_kinds[rows]
        if shuffled is not None:
            places = np.arange(len(rows)) if shuffled == "all" else np.flatnonzero(kinds == "trending")
            order = np.random.default_rng(seed).permutation(places)
            contexts, kinds = contexts.copy(), kinds.copy()
            contexts[places], kinds[places] = contexts[order], kinds[order]
        strengths = {"session": 0.0} | ({} if twin or not (kinds == "trending").any() else {"trending": strength})
        shop = self.shop
        names = dict(zip(shop.item_labels.tolist(), shop.item_names.tolist(), strict=True))
        return Interactions.from_arrays(
            shop.users[rows], shop.items[rows], contexts=contexts, context_kinds=kinds, context_strengths=strengths,
            item_names=[names[item] for item in shop.items[rows].tolist()],
        )  # fmt: skip

    def judged(self, model, log, *, users=True):
        """Excess CEO, precision, Jaccard with the twin's lists, user NDCG."""
        items = np.flatnonzero(np.isin(log.item_labels, self.on_pages))
        families = self.shop.clusters_of(log.item_labels)
        neighbours = model.similar_items(items, N=K + 1)[0][:, 1:]
        lists = {item: set(own) for item, own in
                 zip(log.item_labels[items].tolist(), log.item_labels[neighbours].tolist(), strict=True)}  # fmt: skip
        found = {
            "excess": self.excess(model, log, families),
            "precision": float((families[neighbours] == families[items][:, None]).mean()),
            "jaccard": float(np.mean([jaccard(own, self.twin_lists[item]) for item, own in lists.items()
                                      if item in self.twin_lists])) if self.twin_lists else 1.0,
        }  # fmt: skip
        if users:
            found["ndcg"] = evaluate(model, log, self.test(log), K=K, metrics=["ndcg"])[f"ndcg@{K}"]
        return found, lists

    def excess(self, model, log, families):
        """Excess CEO on the trending pages, whatever the model was told about them."""
        pages = [page for page, items in self.shop.shown.items() for _ in items]
        shown = [item for items in self.shop.shown.values() for item in items]
        known = set(log.item_labels.tolist())
        rows = [(page, item) for page, item in zip(pages, shown, strict=True) if item in known]
        # Two visitors saw all of every page.
        everything = Interactions.from_arrays(
            [*["a"] * len(rows), *["b"] * len(rows), *["c"] * log.n_items],
            [*[item for _, item in rows] * 2, *log.item_labels.tolist()],
            contexts=[*[page for page, _ in rows] * 2, *[None] * log.n_items],
        )
        by_label = dict(zip(log.item_labels.tolist(), families.tolist(), strict=True))
        groups = np.array([by_label[label] for label in everything.item_labels.tolist()])
        return co_exposure(model, everything, K, groups=groups).excess

    def test(self, log):
        """The held-out clicks as a matrix."""
        users, items = (
            {label: row for row, label in enumerate(labels.tolist())} for labels in (log.user_labels, log.item_labels)
        )
        pairs = zip(self.shop.users[self.held_out].tolist(), self.shop.items[self.held_out].tolist(), strict=True)
        rows = np.array([(users[user], items[item]) for user, item in pairs if user in users and item in items])
        return scipy.sparse.csr_array((np.ones(len(rows)), rows.T), shape=log.user_items.shape)

    def learn_twin(self, seed):
        """Fit the oracle; return its figures."""
        log = self.log(twin=True)
        model = fit(log, seed)
        found, self.twin_lists = self.judged(model, log)
        return found | {"jaccard": 1.0}


def one_click_outside_pages(shop, seed):
    """The number of one random click of each user that is not on a trending page."""
    outside = np.random.default_rng(seed).permutation(np.flatnonzero(shop.context_kinds != "trending"))
    return outside[np.unique(shop.users[outside], return_index=True)[1]]


def jaccard(some, others):
    return len(some & others) / len(some | others)


def fit(log, seed, debias=None, **parameters):
    model = BPR(**PARAMETERS | parameters, random_state=seed, debias=debias)
    return model.fit(log, show_progress=False)


def table(arguments):
    shares = {"0.5": {"trending_share": 0.5}, "0.75": {"trending_share": 0.75}}
    for title, options in shares.items():
        figures = {}
        for seed in range(arguments.seeds):
            shop = Shop(seed, **options)
            add(figures, "twin (an oracle)", shop.learn_twin(seed))
            log = shop.log()
            for name, debias in METHODS.items():
                add(figures, name, shop.judged(fit(log, seed, debias), log)[0])
            plain = fit(log, seed)
            for name, corrected in AFTERWARDS.items():
                add(figures, name, shop.judged(corrected(plain, log), log, users=False)[0])
            for name, among in product(PLACEBOS, ("all", "pages")):
                blind = shop.log(shuffled=among, seed=seed)
                found = shop.judged(fit(blind, seed, METHODS[name]), blind)[0]
                add(figures, f"placebo: {name}, ids shuffled among {among}", found)
        print_table(f"Trending share {title}", figures)
    others = {
        "No trending pages": ({"trending_share": 0.0}, 1.0),
        "Pages composed by family, strength 0.2": ({"trending_share": 0.5, "pages_by": "cluster"}, 0.2),
    }
    for title, (options, strength) in others.items():
        figures = {}
        for seed in range(arguments.seeds):
            shop = Shop(seed, **options)
            if not shop.on_pages:
                shop.on_pages = shop.shop.item_labels.tolist()
            shop.learn_twin(seed)
            log = shop.log(strength)
            for name in PRESETS:
                found = shop.judged(fit(log, seed, METHODS[name]), log)[0] if shop.shop.shown else None
                add(figures, name, found or without_pages(shop, fit(log, seed, METHODS[name]), log))
        print_table(title, figures)


def without_pages(shop, model, log):
    """What there is to say where nothing was on a page: of all items."""
    families = shop.shop.clusters_of(log.item_labels)
    neighbours = model.similar_items(np.arange(log.n_items), N=K + 1)[0][:, 1:]
    precision = float((families[neighbours] == families[:, None]).mean())
    ndcg = evaluate(model, log, shop.test(log), K=K, metrics=["ndcg"])[f"ndcg@{K}"]
    return {"precision": precision, "ndcg": ndcg}


def add(figures, name, found):
    figures.setdefault(name, []).append(found)


def print_table(title, figures):
    """Means and standard deviations over seeds, what they are of plain's and the twin's, and no empty columns."""
    plain, twin = figures["plain"], figures.get("twin (an oracle)")

    def mean_of(rows, key):
        return np.mean([row[key] for row in rows])

    def shown(rows, key):
        values = [row[key] for row in rows if key in row]
        return f"{np.mean(values):.4f} +- {np.std(values):.4f}" if values else "as plain"

    headings = {"excess": "excess CEO@10", "precision": "precision@10", "jaccard": "Jaccard@10", "ndcg": "user NDCG@10"}
    columns = {"": list(figures)}
    for key, heading in headings.items():
        if key not in plain[0]:
            continue
        columns[heading] = [shown(rows, key) for rows in figures.values()]
        if key == "excess" and mean_of(plain, key) > 0:  # else there was nothing to cut
            columns["cut by"] = [f"{1 - mean_of(rows, key) / mean_of(plain, key):.1%}" for rows in figures.values()]
        if key == "precision" and twin:
            columns["of the twin's"] = [f"{mean_of(rows, key) / mean_of(twin, key):.1%}" for rows in figures.values()]
        if key == "jaccard" and twin:
            columns["over plain"] = [f"{mean_of(rows, key) / mean_of(plain, key):.1f}x" for rows in figures.values()]
    print(f"\n{title} (mean +- standard deviation over {len(plain)} seeds)\n")
    print(f"| {' | '.join(columns)} |".replace("|  |", "| |"))
    print("|---|" + "---:|" * (len(columns) - 1))
    for cells in zip(*columns.values(), strict=True):
        print(f"| {' | '.join(cells)} |", flush=True)


# ---- pictures ---------------------------------------------------------------------------------------------------


def pictures(arguments):
    from matplotlib.figure import Figure

    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    shown = {name: METHODS[name] for name in list(METHODS)[:-1]}
    shares, curves = (0.0, 0.25, 0.5, 0.75), {name: [] for name in shown}
    for share in shares:
        found = {name: [] for name in shown}
        for seed in range(arguments.seeds):
            shop = Shop(seed, trending_share=share)
            log = shop.log()
            for name, debias in shown.items():
                model = fit(log, seed, debias)
                found[name].append(shop.judged(model, log, users=False)[0]["excess"] if share else 0.0)
        for name, values in found.items():
            curves[name].append(np.mean(values))
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    lines = [
        axes.plot(shares, values, marker=marker, label=name)[0]
        for (name, values), marker in zip(curves.items(), MARKERS, strict=True)
    ]
    axes.set(xlabel="share of clicks on trending pages", ylabel="excess CEO@10 of items on pages",
             title="Neighbours that only shared a page")  # fmt: skip
    axes.axhline(0, color="#999999", linewidth=0.8)
    axes.legend(fontsize=8)
    figure.savefig(folder / "co_exposure_share.svg")

    strengths = (0.0, 0.1, 0.2, 0.5, 1.0)
    figure = Figure(figsize=(11, 5), layout="constrained")
    axes = figure.subplots()
    colours = [line.get_color() for line in lines]
    for pages_by, style in (("quality", "-"), ("cluster", "--")):
        for (name, debias), colour, marker in zip(shown.items(), colours, MARKERS, strict=True):
            if name == "plain" or (pages_by == "cluster" and name not in PRESETS):
                continue
            values = []
            for strength in strengths:
                own = []
                for seed in range(arguments.seeds):
                    shop = Shop(seed, trending_share=0.5, pages_by=pages_by)
                    log = shop.log(strength)
                    own.append(shop.judged(fit(log, seed, debias), log, users=False)[0]["precision"])
                values.append(np.mean(own))
            axes.plot(strengths, values, style, color=colour, marker=marker, label=f"{name}, pages by {pages_by}")
    axes.set(xlabel="strength of the pages' contexts", ylabel="precision@10 of items on pages", ylim=(0, 1.02),
             title="Neighbours of the same family")  # fmt: skip
    figure.legend(fontsize=8, loc="outside right upper")
    figure.savefig(folder / "co_exposure_strength.svg")
    print(f"Wrote co_exposure_share.svg and co_exposure_strength.svg to {folder}.")


# ---- cost -------------------------------------------------------------------------------------------------------


def cost(arguments):
    log = Shop(0, trending_share=0.5).log()
    times = {}
    for _ in range(arguments.repetitions):
        for name, debias in METHODS.items():
            for factors in (32, 64):
                model = fit(log, 0, debias, factors=factors, iterations=20, num_threads=1)
                n_updates = sum(epoch.n_updates for epoch in model.history)
                seconds = sum(epoch.seconds for epoch in model.history)
                times.setdefault((name, factors), []).append(1e9 * seconds / n_updates)
    print("| | ns per update, 32 factors | over plain | ns per update, 64 factors | over plain |")
    print("|---|---:|---:|---:|---:|")
    for name in METHODS:
        cells = [name]
        for factors in (32, 64):
            own, plain = median(times[name, factors]), median(times["plain", factors])
            cells += [f"{own:.1f}", f"{own / plain:.2f}x"]
        print("| " + " | ".join(cells) + " |")


# ---- real files -------------------------------------------------------------------------------------------------


def real(arguments):
    folder = Path(os.environ.get("FASTBPR_DATA", Path(__file__).parents[2] / "shared" / "data"))
    retail(folder, arguments.seeds)
    changed_lists(folder)
    coat(folder, arguments.seeds)
    news(folder, 2 * arguments.seeds)


def retail_logs(folder):
    """{title: log} of online_retail, with two things to take for contexts."""
    import pyarrow.parquet

    frame = pyarrow.parquet.read_table(folder / "online_retail.parquet").to_pandas()
    frame = frame[frame.CustomerID > 0]
    contexts = {"invoices": frame.InvoiceNo.astype(str), "days": frame.InvoiceDate.astype(str).str[:10]}
    return {
        title: Interactions.from_arrays(
            frame.CustomerID.to_numpy(), frame.StockCode.to_numpy(), contexts=own.to_numpy(),
            item_names=frame.Description.to_numpy(),
        )
        for title, own in contexts.items()
    }  # fmt: skip


def retail(folder, seeds):
    print("\n| online_retail, contexts | debias | HR@10 across contexts | NDCG@10 | HR@10 leave-one-out | NDCG@10 |")
    print("|---|---|---:|---:|---:|---:|")
    for title, log in retail_logs(folder).items():
        for name, debias in {
            **{name: METHODS[name] for name in PRESETS},
            "negatives 0.2, cap 10": Debias(0.2, cap=10),
        }.items():
            rows = []
            for seed in range(seeds):
                train, queries, test = leave_one_out_across_contexts(log, random_state=seed)
                model = BPR(random_state=seed, debias=debias).fit(train, show_progress=False)
                across = evaluate_across_contexts(model, train, queries, test, metrics=("hr", "ndcg"))
                train, test = leave_one_out(log, random_state=seed)
                model = BPR(random_state=seed, debias=debias).fit(train, show_progress=False)
                within = evaluate_similar_items(model, train, test, metrics=("hr", "ndcg"))
                rows.append([*across.values(), *within.values()])
            cells = [
                f"{mean:.4f} +- {sd:.4f}" for mean, sd in zip(np.mean(rows, axis=0), np.std(rows, axis=0), strict=True)
            ]
            print(f"| {title} | {name} | " + " | ".join(cells) + " |", flush=True)


def changed_lists(folder, N=7):
    """How far bestsellers' lists change on online_retail with days taken for pages, and those that change most."""
    log = retail_logs(folder)["days"]
    lists = {}
    for name in PRESETS:
        model = BPR(random_state=0, debias=METHODS[name]).fit(log, show_progress=False)
        lists[name] = model.similar_items(np.arange(log.n_items), N=N + 1)[0][:, 1:]
    again = BPR(random_state=1).fit(log, show_progress=False).similar_items(np.arange(log.n_items), N=N + 1)[0][:, 1:]
    lists["plain, another seed"] = again
    bestsellers = np.argsort(-np.bincount(log.user_items.indices, minlength=log.n_items), kind="stable")[:300]
    print(f"\nonline_retail, days: Jaccard@{N} of the 300 bestsellers' lists with plain's")
    for name, own in lists.items():
        overlaps = np.array([jaccard(set(own[item]), set(lists["plain"][item])) for item in bestsellers])
        print(f"{name}: {overlaps.mean():.2f}")
        if name == '"context-strong"':
            changed = bestsellers[np.argsort(overlaps, kind="stable")[:4]]
    for item in changed:
        print(f"\n{log.item_names[item]}")
        for name in PRESETS:
            print(f"  {name}: " + ", ".join(str(log.item_names[other]) for other in lists[name][item]))


def news(folder, seeds):
    """Which of the articles of an impression was clicked, after learning from 80 % of ebnerd's impressions."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / "ebnerd_behaviors.parquet")
    users, pages = table["user_id"].to_numpy(), table["impression_id"].to_numpy()
    shown = table["article_ids_inview"].to_pylist()
    clicked = [own[0] for own in table["article_ids_clicked"].to_pylist()]
    methods = {**{name: METHODS[name] for name in PRESETS}, "negatives of the slate, rate 0.9": Debias(0.9)}
    areas = {}
    for seed in range(seeds):
        held_out = np.random.default_rng(seed).random(len(pages)) < 0.2
        kept = np.flatnonzero(~held_out)
        log = Interactions.from_arrays(
            users[kept], np.array(clicked)[kept], contexts=pages[kept], shown={pages[row]: shown[row] for row in kept}
        )
        row_of = {label: row for row, label in enumerate(log.user_labels.tolist())}
        column_of = {label: column for column, label in enumerate(log.item_labels.tolist())}
        questions = []
        for row in np.flatnonzero(held_out):
            others = [column_of[item] for item in shown[row] if item in column_of and item != clicked[row]]
            if users[row] in row_of and clicked[row] in column_of and others:
                questions.append((row_of[users[row]], column_of[clicked[row]], others))
        scores = {}
        for name, debias in methods.items():
            model = BPR(factors=16, iterations=50, learning_rate=0.05, regularization=0.1, random_state=seed,
                        debias=debias).fit(log, show_progress=False)  # fmt: skip
            scores[name] = model.user_factors @ model.item_factors.T + model.item_biases
        n_clicks = np.bincount([column_of[clicked[row]] for row in kept], minlength=log.n_items)
        scores["number of clicks"] = np.broadcast_to(n_clicks, (log.n_users, log.n_items))
        for name, own in scores.items():
            areas.setdefault(name, []).append(np.mean([
                (own[user, item] > own[user, others]).mean() + (own[user, item] == own[user, others]).mean() / 2
                for user, item, others in questions
            ]))  # fmt: skip
    print("\n| ebnerd, articles of one impression | AUC |\n|---|---:|")
    for name, own in areas.items():
        print(f"| {name} | {np.mean(own):.3f} +- {np.std(own):.3f} |")


def coat(folder, seeds):
    """Learn from ratings >= 4 that users chose to give; judge by ratings of random items."""
    file = np.load(folder / "coat.npz")
    chosen = scipy.sparse.csr_array((file["train_ratings"] >= 4).astype(np.float32))
    exposure = file["propensities"].mean(axis=0)
    methods = {
        "plain": None,
        "propensities, power 0.25": Debias(0, propensity_power=0.25),
        "propensities, power 0.5": Debias(0, propensity_power=0.5),
        "the file's propensities": Debias(0, propensities=np.minimum(1, exposure / exposure.max())),
    }
    settings = {
        "default settings": {},
        "16 factors, 100 iterations, learning rate .05, regularization .1":
            {"factors": 16, "iterations": 100, "learning_rate": 0.05, "regularization": 0.1},
    }  # fmt: skip
    print("\n| coat | | NDCG@5 | AUC |\n|---|---|---:|---:|")
    for (title, parameters), (name, debias) in product(settings.items(), methods.items()):
        rows = []
        for seed in range(2 * seeds):
            model = BPR(**parameters, random_state=seed, debias=debias).fit(chosen, show_progress=False)
            rows.append(judged_by_random_ratings(model, file["test_random_ratings"]))
        cells = [
            f"{mean:.4f} +- {sd:.4f}" for mean, sd in zip(np.mean(rows, axis=0), np.std(rows, axis=0), strict=True)
        ]
        print(f"| {title} | {name} | " + " | ".join(cells) + " |", flush=True)


def judged_by_random_ratings(model, ratings):
    """(NDCG@5, AUC) over users, of the items that each was made to rate; those with 4 or more are relevant."""
    scores = model.user_factors @ model.item_factors.T + model.item_biases
    discounts = 1 / np.log2(np.arange(2, 7))
    figures = []
    for own, values in zip(scores, ratings, strict=True):
        rated = values > 0
        relevant = values[rated] >= 4
        if 0 < relevant.sum() < rated.sum():
            order = np.argsort(-own[rated], kind="stable")
            gains = relevant[order][:5] @ discounts
            above = own[rated][relevant][:, None] > own[rated][~relevant]
            figures.append((gains / discounts[: relevant.sum()].sum(), above.mean()))
    return np.mean(figures, axis=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="QUESTION")
    for run, n_seeds in ((table, 5), (pictures, 2), (cost, None), (real, 5)):
        command = commands.add_parser(run.__name__)
        command.set_defaults(run=run)
        if n_seeds:
            command.add_argument("--seeds", type=int, default=n_seeds)
        if run is pictures:
            command.add_argument("--output", default=str(Path(__file__).parent / "results"))
        if run is cost:
            command.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
