"""How sure a mean is, and whether one model is better than another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastbpr import _validation
from fastbpr.evaluation.recommendations import evaluate_per_user

DRAWS_AT_ONCE = 2**20  # users drawn at once: some 20 MB
ROUNDING = 1e-12  # of a sum, relative to the sum of sizes


def confidence_interval(
    values: Any,
    level: float = 0.95,
    n_samples: int = 2000,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
) -> tuple[float, float]:
    """Return a bootstrap interval of the mean over users.

    It says how much the mean could differ if other users of the same kind had been asked. It does not say how much the
    model would differ with another seed or other training data.

    Parameters
    ----------
    values : array of numbers, shape (n_users,)
        One value per user, as `evaluate_per_user` returns them, all finite.
    level : float, default 0.95
        Share of such intervals that should hold the true mean, between 0 and 1. With few users, fewer do.
    n_samples : int, default 2000
        How often users are drawn, >= 1. Time grows with ``n_samples * n_users``; memory does not grow with `n_samples`.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default 0
        Seed; the same one gives the same interval.

    Returns
    -------
    low, high : float

    Raises
    ------
    TypeError, ValueError
        If an argument is not as it must be.

    Notes
    -----
    The percentile method (Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13): as many users as
    there are are drawn with replacement, `n_samples` times; the ends are the (1 - level) / 2 and (1 + level) / 2
    quantiles of the means of these samples.

    Examples
    --------
    >>> low, high = confidence_interval([0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0] * 25)
    >>> 0.55 < low < 0.625 < high < 0.70
    True
    """
    values = _validation.check_values("values", values)
    level = _validation.check_level(level)
    n_samples = _validation.check_integer("n_samples", n_samples, minimum=1)
    return interval_of(values, level, n_samples, _validation.check_seed("random_state", random_state))


class MetricDifference(NamedTuple):
    """One metric of two models a and b, over the same users. `compare` makes it, and has an example."""

    mean_a: float
    """Mean of model a."""

    mean_b: float
    """Mean of model b."""

    difference: float
    """``mean_b - mean_a``."""

    low: float
    """Lower end of the interval of the difference."""

    high: float
    """Upper end of the interval of the difference."""

    better: float
    """Share of users for whom b has a higher value."""

    worse: float
    """Share of users for whom b has a lower value."""

    same: float
    """Share of users for whom both have the same value."""

    p_value: float
    """How often a difference of this size or more would come about if a and b were interchangeable, above 0."""

    n_users: int
    """Number of users who have a value."""


class Comparison(NamedTuple):
    """Two models compared; ``print`` shows a table. `compare` makes it, and has an example."""

    metrics: dict[str, MetricDifference]
    """A `MetricDifference` for every metric, such as ``comparison.metrics["ndcg@10"].difference``."""

    level: float
    """Confidence level of the intervals."""

    def __str__(self) -> str:
        width = max(len(name) for name in self.metrics)
        lines = [
            f"{'':{width}}        a        b    b - a  {f'{self.level:.6g} interval':^18}  "
            f"{'better':>6}  {'worse':>6}  {'same':>6}  {'p':>7}  {'users':>7}"
        ]
        lines += [
            f"{name:{width}}  {d.mean_a:7.4f}  {d.mean_b:7.4f}  {d.difference:+7.4f}  [{d.low:+7.4f}, {d.high:+7.4f}]  "
            f"{d.better:6.1%}  {d.worse:6.1%}  {d.same:6.1%}  {d.p_value:7.4f}  {d.n_users:7d}"
            for name, d in self.metrics.items()
        ]
        return "\n".join(lines)


def compare(
    model_a: Any,
    model_b: Any,
    train: Any,
    test: Any,
    K: int | Sequence[int] = 10,
    metrics: str | Sequence[str] = ("ndcg", "recall", "hr"),
    negatives: np.ndarray | None = None,
    *,
    users: Any = None,
    level: float = 0.95,
    n_samples: int = 2000,
    random_state: int | np.random.Generator | np.random.RandomState | None = 0,
    num_threads: int = 0,
) -> Comparison:
    """Tell whether model b is better than model a for the same users, and how sure that is.

    Users differ from each other much more than models do, so the values of the two models are compared user by user.
    An interval of the difference that excludes 0 says that other users of the same kind would most likely agree. It
    says nothing of other seeds: a difference between two seeds of one model can be significant, too. Of many metrics
    and models that are compared at once, some come out significant by chance.

    Parameters
    ----------
    model_a, model_b : BPR, or any object with a method ``score(userids)``
        As in `evaluate`.
    train, test, K, negatives, users, num_threads
        As in `evaluate`.
    metrics : str or sequence of str, default ("ndcg", "recall", "hr")
        Any that `evaluate` knows.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    n_samples : int, default 2000
        Number of samples for each interval and of permutations for each p-value, >= 1; no p-value is below
        ``1 / (n_samples + 1)``.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default 0
        Seed; the same one gives the same result.

    Returns
    -------
    Comparison
        ``comparison.metrics`` has a `MetricDifference` for every metric; ``print(comparison)`` shows a table.

    Raises
    ------
    NotFittedError
        If a model was not fitted.
    IndexError
        If a user id is out of range.
    TypeError, ValueError
        If an argument is not as it must be, or if no user has a value of a metric.

    Notes
    -----
    Let d_u be b's value minus a's for user u.

    * The interval is that of `confidence_interval` for the d_u: users are drawn, and both of their values with them.
    * The p-value is that of the paired permutation test, Fisher's randomization test, for two sides (Smucker, Allan &
      Carterette, 2007): if it made no difference which model is which, each d_u could as well have the other sign. Of
      `n_samples` random choices of signs, let m be those with ``|sum of +-d_u| >= |sum of d_u|``; then
      p = (m + 1) / (n_samples + 1) (Phipson & Smyth, 2010).

    Where ``auc`` is not defined for a user, the user does not count for it.

    References
    ----------
    * Phipson & Smyth, "Permutation P-values Should Never Be Zero", Statistical Applications in Genetics and Molecular
      Biology 2010.
    * Smucker, Allan & Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
      Evaluation", CIKM 2007.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from fastbpr.baselines import Popularity, Random
    >>> train = csr_array([[1, 0, 0, 0, 0]] * 10 + [[0, 1, 0, 0, 0]] * 10)
    >>> test = csr_array([[0, 1, 0, 0, 0]] * 10 + [[1, 0, 0, 0, 0]] * 10)
    >>> models = Random(random_state=0).fit(train), Popularity().fit(train)
    >>> comparison = compare(*models, train, test, K=1, metrics="hr")
    >>> comparison.metrics["hr@1"].mean_b
    1.0
    >>> comparison.metrics["hr@1"].low > 0
    True
    """
    level = _validation.check_level(level)
    n_samples = _validation.check_integer("n_samples", n_samples, minimum=1)
    seed = _validation.check_seed("random_state", random_state)
    of_a, of_b = (
        evaluate_per_user(model, train, test, K, metrics, negatives, users=users, num_threads=num_threads).values
        for model in (model_a, model_b)
    )
    return Comparison(
        {name: difference_of(name, of_a[name], of_b[name], level, n_samples, seed) for name in of_a}, level
    )


def difference_of(name: str, a: np.ndarray, b: np.ndarray, level: float, n_samples: int, seed: int) -> MetricDifference:
    """Compare the users' values of one metric; those of users without a value are NaN in both."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    _validation.check_some_values(name, len(a))
    differences = b - a
    low, high = interval_of(differences, level, n_samples, seed)
    return MetricDifference(
        mean_a=float(a.mean()),
        mean_b=float(b.mean()),
        difference=float(b.mean() - a.mean()),
        low=low,
        high=high,
        better=float((differences > 0).mean()),
        worse=float((differences < 0).mean()),
        same=float((differences == 0).mean()),
        p_value=permutation_p_value(differences, n_samples, seed),
        n_users=len(a),
    )


def interval_of(values: np.ndarray, level: float, n_samples: int, seed: int) -> tuple[float, float]:
    """Return the percentile interval of the mean."""
    rng = np.random.default_rng(seed)
    n = len(values)
    means = [values[rng.integers(n, size=(n_rows, n))].mean(axis=1) for n_rows in blocks(n_samples, n)]
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def permutation_p_value(differences: np.ndarray, n_samples: int, seed: int) -> float:
    """Return p of the paired permutation test for two sides."""
    rng = np.random.default_rng(seed)
    changing = differences[differences != 0]  # the sign of 0 makes no difference
    total = changing.sum()
    least = abs(total) - ROUNDING * np.abs(changing).sum()
    n_extreme = 0
    for n_rows in blocks(n_samples, len(changing)):
        positive = rng.integers(2, size=(n_rows, len(changing))) @ changing
        n_extreme += np.count_nonzero(np.abs(2 * positive - total) >= least)
    return (n_extreme + 1) / (n_samples + 1)


def blocks(n_samples: int, n: int) -> Iterator[int]:
    """Divide samples of n users into blocks that fit in memory; return how many are in each."""
    n_rows = max(1, DRAWS_AT_ONCE // max(1, n))
    for first in range(0, n_samples, n_rows):
        yield min(n_rows, n_samples - first)
