"""What to change next: one rule per function, each from findings to a piece of advice or None."""

from __future__ import annotations

from fastbpr._findings import COOCCURRENCE, MIN_EPOCHS, MIN_WAY, POPULARITY, TASKS, Comparison, Findings
from fastbpr._sentences import percent
from fastbpr.bpr import DEFAULTS

FASTER = 10  # what a learning rate with which a fit got nowhere is multiplied by
CALMER = 4  # what a learning rate at which a fit got worse is divided by
CLEARLY_BETTER = 1.05  # times a baseline's NDCG; less is within what another seed or split changes
CLEARLY_WORSE = 0.9
FEWEST_COMPARED = 50  # users; with fewer, a comparison is a matter of luck
POPULAR_LISTS = 3.0  # times an item's mean popularity; models of real logs were seen to have 1.0 to 2.6
CROWDED = 0.2  # of all places for one in a hundred items; seen: 0.02 to 0.15
MANY_ITEMS = 200  # among fewer, one in a hundred is one or two items
ALIGNED = 0.3  # mean cosine of random pairs; seen: 0 to 0.12. The common direction says nothing about a single item
SELDOM_SHOWN = 0.3  # of items that no list has; seen: 0 to 0.13
GLUED = 0.1  # of neighbours that share a context but little else, beyond chance; seen: 0.9 with many trending pages
STALE = 0.05  # of a log's items that are unknown, or of its interactions that are new
LONELY = 0.3  # of users or items with a single interaction


def refit_to_the_log(found: Findings) -> str | None:
    """The log has items or interactions that the model has not seen."""
    overlap = found.overlap
    n_new = overlap.n_interactions - overlap.n_learned
    if overlap.n_unknown_items > STALE * overlap.n_items or n_new > STALE * overlap.n_interactions:
        return f"The log has {n_new:,} interactions that the model has not seen: fit it again, to this log."
    return None


def slow_down(found: Findings) -> str | None:
    """Training got worse at its end."""
    rate = found.training.first_learning_rate
    if found.training.state == "diverging":
        return f"The loss rose at the end of training: learning_rate={rate / CALMER:.2g} instead of {rate:g}."
    return None


def train_longer(found: Findings) -> str | None:
    """Training ended while it was still learning fast."""
    training = found.training
    if training.state not in ("too short", "improving"):
        return None
    rate = training.first_learning_rate
    if training.n_epochs >= MIN_EPOCHS and training.way < MIN_WAY:
        larger = min(FASTER * rate, DEFAULTS["learning_rate"])
        return f"Training had hardly begun, its steps were so small: learning_rate={larger:g} instead of {rate:g}."
    if training.n_epochs < training.iterations:
        return f"Training was stopped before it had converged: let it go on to its {training.iterations:,} iterations."
    return f"Training had not converged: iterations={max(2 * training.iterations, DEFAULTS['iterations'])}."


def compared(found: Findings) -> Comparison | None:
    """Return a comparison that says something: of many users, and of a model that had a chance to learn."""
    if found.comparison is None or found.comparison.n_users < FEWEST_COMPARED:
        return None
    return None if found.training.state in ("too short", "diverging") else found.comparison


def beat_popularity(found: Findings) -> str | None:
    """Recommendations are hardly better than a list of the most popular items."""
    comparison = compared(found)
    if comparison and comparison.times("recommendations", POPULARITY) < CLEARLY_BETTER:
        return (
            "Recommendations are no better than the most popular items: try BPR.preset('best') or fastbpr tune, and "
            "look whether the log has one user for many people, or users with too few items to learn from."
        )
    return None


def beat_cooccurrence(found: Findings) -> str | None:
    """Lists are no better than counting what users have together."""
    comparison = compared(found)
    times = {} if comparison is None else {task: comparison.times(task, COOCCURRENCE) for task in TASKS}
    behind = [task for task in TASKS if task in times and times[task] < CLEARLY_BETTER]
    if not behind:
        return None
    subject = " and ".join(task.replace("_", " ") for task in behind).capitalize()
    advice = f"{subject} are no better than co-occurrence: try BPR.preset('best') or fastbpr tune"
    worse = [task.replace("_", " ") for task in behind if times[task] < CLEARLY_WORSE]
    if worse:
        advice += f"; until it wins, take fastbpr.baselines.ItemCooccurrence for {' and '.join(worse)}"
    return f"{advice}."


def spread_the_lists(found: Findings) -> str | None:
    """Popular items, or a few items, fill the lists of similar items."""
    neighbours = found.neighbours
    if neighbours.similarity != "cosine":
        return None  # it was changed already
    reasons = []  # to leave what all vectors have in common out of the comparison
    if neighbours.neighbour_popularity > POPULAR_LISTS * neighbours.item_popularity:
        reasons.append("popular items fill the lists")
    if neighbours.hub_share > CROWDED and neighbours.n_items >= MANY_ITEMS:
        reasons.append(f"a few items take {percent(neighbours.hub_share)} of their places")
    if neighbours.mean_cosine > ALIGNED:
        reasons.append("all vectors point a similar way")
    if not reasons:
        return None
    text = " and ".join(reasons)
    return f"{text[0].upper()}{text[1:]}: try similarity='centred', and compare."


def separate_pages(found: Findings) -> str | None:
    """Neighbours are there because they were shown together."""
    exposure = found.exposure
    if exposure is None or not exposure.excess > GLUED:  # NaN is none
        return None
    beginning = f"{percent(exposure.ceo)} of the neighbours share a context with their item but little else: "
    if exposure.debias == "context":
        return f"{beginning}fit with debias='context-strong' instead of 'context', and compare."
    if exposure.debias is not None:
        return f"{beginning}fastbpr.exposure.gluing_contexts shows which contexts are the cause."
    return (
        f"{beginning}fit with debias='context', and compare. Contexts that were composed by similarity, such as search "
        "results, get a low strength."
    )


def show_more_items(found: Findings) -> str | None:
    """Much of the catalogue is in no list."""
    if found.neighbours.never_share > SELDOM_SHOWN:
        return (
            f"{percent(found.neighbours.never_share)} of the items are in no list of similar items: longer lists, or "
            "filter_items for what is shown enough, bring more of the catalogue to light."
        )
    return None


def drop_lonely_items(found: Findings) -> str | None:
    """Many items have a single user: their vectors are that user's other items, and luck."""
    share = found.sparsity.single_user_items / found.sparsity.n_items
    if share > LONELY:
        return (
            f"{percent(share)} of the items have a single user, and lists that are luck: leave them out, or show no "
            "list for them until they have a few users."
        )
    return None


def join_lonely_users(found: Findings) -> str | None:
    """Many users have a single item: nothing can be learned about what goes together."""
    share = found.sparsity.single_item_users / found.sparsity.n_users
    if share > LONELY:
        return (
            f"{percent(share)} of the users have a single item, and say nothing about what goes together: take a "
            "longer period, or an id that stays the same from visit to visit."
        )
    return None


RULES = (
    refit_to_the_log,
    slow_down,
    train_longer,
    beat_popularity,
    beat_cooccurrence,
    spread_the_lists,
    separate_pages,
    show_more_items,
    drop_lonely_items,
    join_lonely_users,
)


def advice_for(found: Findings) -> tuple[str, ...]:
    """Return what the rules say, the most urgent first."""
    return tuple(advice for rule in RULES if (advice := rule(found)) is not None)
