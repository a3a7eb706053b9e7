"""What is good and bad about a model on its own log, and what to change next."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from typing import Any

from fastbpr import _advice, _exposure_finding, _findings, _validation
from fastbpr._threads import effective_threads
from fastbpr.bpr import BPR

__all__ = ["Diagnosis", "diagnose"]

WIDTH = 100  # of lines that people read


@dataclasses.dataclass(frozen=True)
class Diagnosis(_findings.Findings):
    """What `diagnose` found; ``print`` shows it in sentences. `diagnose` makes it, and has an example.

    Attributes
    ----------
    overlap : Overlap
        Whether the log is what the model has learned from:
        ``n_users, n_items, n_interactions, n_unknown_users, n_unknown_items, n_learned, n_training``.
    training : Training
        Whether the fit had come to an end: ``state`` is "too short", "diverging", "improving" or "converged";
        ``n_epochs, iterations, n_last, loss_before, loss, auc_before, auc, first_learning_rate, last_learning_rate,
        way, possible_gain``, with means over the last tenth of the epochs (`n_last`) and over the tenth before.
    neighbours : Neighbours
        What the lists of similar items are made of: ``similarity, list_length, n_items, norm_popularity, mean_cosine,
        item_popularity, neighbour_popularity, n_hubs, hub_share, top_name, top_share, never_share``.
    exposure : Exposure or None
        Whether neighbours are alike, or just shared a page, as `fastbpr.exposure.co_exposure` measures it:
        ``n_contexts, n_shared, share_in_shared, largest_share, n_items, list_length, ceo, chance, excess, debias``.
        None without contexts.
    comparison : Comparison or None
        Whether it is worth it: ``n_users, list_length, recommendations, similar_items``, the last two with the metrics
        of "model", "popularity" and "co-occurrence". None without a refit.
    sparsity : Sparsity
        Whether there is enough to learn from: ``n_users, n_items, n_interactions, density, median_items, median_users,
        single_item_users, single_user_items, top_share``.
    advice : tuple of str
        What to change next, the most urgent first; empty if nothing stands out.
    """

    advice: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, texts and numbers, None for what is not defined: ready for JSON.

        Examples
        --------
        >>> from scipy.sparse import csr_array
        >>> from fastbpr import BPR
        >>> user_items = csr_array([[1, 1, 0], [0, 1, 1]])
        >>> model = BPR(factors=2, iterations=1, random_state=0).fit(user_items, show_progress=False)
        >>> diagnose(model, user_items, refit=False).as_dict()["overlap"]["n_learned"]
        4
        """
        found = {name: None if (part := getattr(self, name)) is None else plain(part._asdict()) for name in HEADINGS}
        return found | {"advice": list(self.advice)}

    def __str__(self) -> str:
        paragraphs = []
        for name, heading in HEADINGS.items():
            if (part := getattr(self, name)) is not None:
                paragraphs += [heading, *(indented(sentence, "  ") for sentence in part.sentences()), ""]
        paragraphs.append("What to change next")
        paragraphs += [indented(text, f"  {place}. ") for place, text in enumerate(self.advice, start=1)]
        if not self.advice:
            paragraphs.append("  Nothing stands out.")
        return "\n".join(paragraphs)


HEADINGS = {
    "overlap": "Is this the model's log?",
    "training": "Has training come to an end?",
    "neighbours": "What are the lists of similar items made of?",
    "exposure": "Are neighbours alike, or did they just share a page?",
    "comparison": "Is the model better than simple lists?",
    "sparsity": "Is there enough to learn from?",
}


def indented(text: str, start: str) -> str:
    """Return a text in lines, indented as far as its start."""
    return textwrap.fill(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))


def plain(value: Any) -> Any:
    """Return dicts and numbers with None for what JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def diagnose(
    model: BPR,
    interactions: Any,
    *,
    K: int = 10,
    refit: bool = True,
    random_state: int = 0,
    show_progress: bool = False,
) -> Diagnosis:
    """Find out what is good and bad about a model, with the log that it was fitted to, and what to change.

    It looks at how the fit ended, at what the lists of similar items are made of, at whether neighbours just shared a
    page (where the log has contexts), at the data, and at whether the effort pays. A model cannot be judged by what it
    has learned from. So for the last question one item of each user is held out at random, a new model with the same
    parameters learns from the rest, and its lists are compared with those of `fastbpr.baselines.Popularity` and
    `ItemCooccurrence`. That takes about as long as the fit did.

    Parameters
    ----------
    model : BPR
        Fitted or loaded. Is not changed.
    interactions : Interactions or SciPy sparse matrix of shape (n_users, n_items)
        The log that the model was fitted to, or a newer one. `Interactions` are matched with the model by labels, and
        what the model does not know is counted. A matrix, and anything for a model without labels, must have the
        model's rows and columns.
    K : int, default 10
        Length of the lists that are looked at, >= 1.
    refit : bool, default True
        False leaves the comparison out, for large data.
    random_state : int, default 0
        Seed of the split, of the new model and of random items, >= 0.
    show_progress : bool, default False
        Show the progress of the new model's fit.

    Returns
    -------
    Diagnosis
        ``overlap, training, neighbours, exposure, comparison, sparsity, advice``; ``print`` shows it in sentences.

    Raises
    ------
    NotFittedError
        Before the model's `fit`.
    TypeError, ValueError
        If an argument is not as it must be, if the model knows none of the log's items, or if its factors are not
        finite.
    TrainingError
        If the new model's training diverges.

    Notes
    -----
    The refit knows the model's parameters, but not what else was given to `fit`: it uses the weights of
    `Interactions` that have some, no validation data, and no features.

    By how much twice the epochs might lower the loss, ``training.possible_gain``, is estimated from the second half of
    its curve, fitted by least squares with ``a + b / t + c * learning_rate``, where t is the sum of all learning rates
    so far: the last term is the noise that goes away as the learning rate decays, b / t what a longer fit still brings.
    Most curves end flatter than that, so the estimate is rather high than low.

    Examples
    --------
    >>> from fastbpr import BPR
    >>> from fastbpr.datasets import simulate_shop
    >>> log = simulate_shop(n_users=300, n_items=100, n_clusters=5, random_state=0).interactions()
    >>> model = BPR(factors=16, iterations=3, random_state=0).fit(log, show_progress=False)
    >>> found = diagnose(model, log)
    >>> found.training.state
    'too short'
    >>> found.advice[0]
    'Training had not converged: iterations=100.'
    """
    _validation.check_instance("model", model, BPR)
    _validation.check_tables(model, finite=True)
    K = _validation.check_integer("K", K, minimum=1)
    _validation.check_flag("refit", refit)
    random_state = _validation.check_integer("random_state", random_state, minimum=0)
    _validation.check_flag("show_progress", show_progress)
    num_threads = effective_threads(model.num_threads)
    overlap = _findings.overlap_of(model, interactions)
    found = _findings.Findings(
        overlap=overlap,
        training=_findings.training_of(model.history, model.settings["iterations"]),
        neighbours=_findings.neighbours_of(model, K),
        exposure=_exposure_finding.exposure_of(model, interactions, K, random_state, num_threads),
        comparison=(
            _findings.comparison_of(model, interactions, K, random_state, num_threads, show_progress) if refit else None
        ),
        sparsity=_findings.sparsity_of(interactions),
    )
    return Diagnosis(**vars(found), advice=_advice.advice_for(found))
