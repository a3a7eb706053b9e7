"""The methods against co-exposure bias in training, and which of them the names stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fastbpr import _validation

MOST_IN_CONTEXT = 0.95  # of the steps in a context: some must keep its items above those that nobody chose there


@dataclasses.dataclass(frozen=True)
class Debias:
    """What a fit does against co-exposure bias: neighbours that are alike only because they shared a page.

    Given as ``BPR(debias=...)``, for a log whose interactions have contexts (page, slate, session, basket). Each method
    is optional, and they can be combined. The strength k_c in [0, 1] of a context c, from the log's
    ``context_strengths``, scales all but the propensities: 0 leaves the interactions of the context as they are. So are
    those of contexts with a single user, unless it is known what was shown there: a basket is its owner's own choice,
    and makes nothing alike for others.
    ``"context"`` and ``"context-strong"`` stand for sets of these that did well in measurements (`DEBIAS_PRESETS`).

    Parameters
    ----------
    negative_rate : float, default 0.5
        From 0 to 0.95. A step whose positive was chosen in context c has, with probability
        ``negative_rate * k_c``, its negatives among the items of c, uniformly: those that were shown there, and those
        that others chose there. Both items were then there to be seen, and the step learns only from the choice. The
        other steps have the usual negatives.
    context_threshold : float or None, default None
        t > 0. Contexts with a large share f_c of all interactions weigh less: a step with a usual negative is
        multiplied with ``min(1, sqrt(t / f_c) + t / f_c) ** k_c``, the rule by which word2vec keeps frequent words
        (Mikolov et al. 2013). Steps with negatives of the context, and tetrads, keep their weight. Try 1e-4. None
        leaves it out. It does not ask whether a context makes anything alike: in a large one it mistrusts everything.
    bundling_power : float, default 0.0
        h from 0 to 4. A step in context c with a usual negative is multiplied with ``(1 + B_c) ** (-h * k_c)``. B_c is
        how many more interactions the user of an interaction has in the same context, on average, than if users'
        interactions were spread over the contexts at random, 0 if it is not more. So, with h = 1, what a visitor does
        at once on a page counts, together, for little more than one interaction, with a larger h for less the more it
        is, and contexts that mean nothing keep their weight.
    cap : int or None, default None
        M >= 1. What one user chose in one context counts, together, at most like M interactions: each of n_uc choices
        is multiplied with ``min(1, M / n_uc) ** k_c``. None leaves it out.
    tetrad_share : float, default 0.0
        From 0 to 0.95. With probability ``tetrad_share * k_c`` a step in context c is a tetrad, if a partner is found:
        for two users u, v who chose i and j there, and neither the other's,
        ``softplus(-(p_u - p_v).(q_i - q_j) / 2)`` is lowered (the tetrad logit of Graham 2017). What the context adds
        to all its items, or an item gets from all its users, cancels. Its weight is the product of the two
        interactions' weights.
    offset : float, default 0.0
        g from 0 to 1. In training only, margins get ``g * k_c * (ln e_ci - ln e_cj)``, with
        ``e_ci = (n_ci + 1) / (n_c + n_items)`` and n_ci of the n_c choices in the context being of item i: what the
        context explains by itself need not be learned.
    propensity_power : float, default 0.0
        h from 0 to 1. Against popularity, not against co-exposure: steps are multiplied with
        ``min(1 / theta_i, propensity_clip)``, over its mean, for ``theta_i = (n_i / max n) ** h`` (Saito et al. 2020).
        It needs no contexts.
    propensity_clip : float, default 3.0
        Largest weight, >= 1, before division by the mean.
    propensities : ndarray of shape (n_items,) or None, default None
        Known probabilities, > 0 and <= 1, of being exposed, in the order of the log's items; they take the place of
        theta_i. Files do not keep them.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not as it must be.

    Notes
    -----
    With the blocked schedule, a positive can meet only those items of its context that are in its item block, and
    make a tetrad only with what is in its bucket. So there are fewer blocks, 4 at least, where pages are short, and
    the rates of negatives are raised to make up for it. ``model.debiasing`` tells which shares of the steps had
    negatives of their context, or were tetrads, in the last epoch.

    Weights by context, and those by `cap`, are each divided by the mean of the tenth of all interactions that weigh
    most, and are 1 at most. Little changes where a tenth of the interactions happened outside contexts; where nearly
    all happened in contexts, differences between these matter.

    If a page was composed by similarity, as search results are, sharing it is a signal: give such contexts a strength
    of about 0.2, and sessions, which the visitor composed, 0.

    Examples
    --------
    >>> from fastbpr import BPR, Interactions
    >>> from fastbpr.exposure import Debias
    >>> log = Interactions.from_arrays([1, 1, 2, 2, 3], list("abacb"), contexts=["p", "p", "p", "p", None])
    >>> model = BPR(factors=8, random_state=0, debias=Debias(negative_rate=0.3, bundling_power=1))
    >>> model.fit(log, show_progress=False).debiasing.n_contexts
    1
    """

    negative_rate: float = 0.5
    context_threshold: float | None = None
    bundling_power: float = 0.0
    cap: int | None = None
    tetrad_share: float = 0.0
    offset: float = 0.0
    propensity_power: float = 0.0
    propensity_clip: float = 3.0
    propensities: Any = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        _validation.check_debias(self, MOST_IN_CONTEXT)

    @property
    def needs_contexts(self) -> bool:
        """Whether a method is on that is about contexts."""
        return self.changes_steps or bool(self.context_threshold or self.bundling_power or self.cap)

    @property
    def changes_steps(self) -> bool:
        """Whether a method is on that does more than weigh interactions."""
        return bool(self.negative_rate or self.tetrad_share or self.offset)

    def as_dict(self) -> dict[str, Any]:
        """Return the parameters but for `propensities`."""
        return {name: value for name, value in vars(self).items() if name != "propensities"}


DEBIAS_PRESETS = {
    "context": Debias(negative_rate=0.0, bundling_power=1.5),
    "context-strong": Debias(negative_rate=0.0, bundling_power=3.0),
}


def debias_of(value: Any) -> Debias | None:
    """Return the methods that a parameter ``debias`` stands for."""
    _validation.check_debias_choice("debias", value, DEBIAS_PRESETS, Debias)
    if isinstance(value, Mapping):
        return Debias(**value)
    return DEBIAS_PRESETS[value] if isinstance(value, str) else value


def knows_propensities(value: Any) -> bool:
    """Whether a parameter ``debias`` has propensities, which `described` and files leave out."""
    debias = debias_of(value)
    return debias is not None and debias.propensities is not None


def described(value: Any) -> Any:
    """Return a parameter as it is, but methods as a dict."""
    return value.as_dict() if isinstance(value, Debias) else value
