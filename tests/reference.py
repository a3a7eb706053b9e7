"""BPR in plain NumPy, float64: the specification that the kernels must meet. Slow and easy to read."""

from typing import NamedTuple

import numpy as np


class Model(NamedTuple):
    user_factors: np.ndarray
    item_factors: np.ndarray
    item_biases: np.ndarray


class Strengths(NamedTuple):
    learning_rate: float
    reg_user: float
    reg_positive: float
    reg_negative: float
    reg_bias: float


def random_model(n_users, n_items, factors, seed):
    rng = np.random.default_rng(seed)
    return Model(
        rng.normal(size=(n_users, factors)).astype(np.float32).astype(float),
        rng.normal(size=(n_items, factors)).astype(np.float32).astype(float),
        rng.normal(size=n_items).astype(np.float32).astype(float),
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def margin(model, user, positive, negative):
    difference = model.item_factors[positive] - model.item_factors[negative]
    return model.user_factors[user] @ difference + model.item_biases[positive] - model.item_biases[negative]


def loss_of(margin):
    """The loss that is reported."""
    return -np.log(sigmoid(margin) + 1e-10)


def objective(model, user, positive, negative, strengths, weight=1.0):
    """The function whose negative gradient is one update."""
    penalty = (
        strengths.reg_user * (model.user_factors[user] ** 2).sum()
        + strengths.reg_positive * (model.item_factors[positive] ** 2).sum()
        + strengths.reg_negative * (model.item_factors[negative] ** 2).sum()
        + strengths.reg_bias * (model.item_biases[positive] ** 2 + model.item_biases[negative] ** 2)
    )
    return -weight * np.log(sigmoid(margin(model, user, positive, negative))) + penalty / 2


def apply_triplets(model, triplets, strengths, *, weights=None, item_bias=True, group=1):
    """Apply SGD steps in place, in order; return (sum of reported losses, triplets in the right order).

    The margins of a group of consecutive triplets are those before the group; 1 is plain SGD.
    """
    users, items, biases = model
    rate, reg_user, reg_positive, reg_negative, reg_bias = strengths
    total_loss, n_correct = 0.0, 0
    for k, (u, i, j) in enumerate(triplets):
        if k % group == 0:
            margins = [margin(model, *triplet) for triplet in triplets[k : k + group]]
        x = margins[k % group]
        total_loss += loss_of(x)
        n_correct += x > 0
        gradient = (1.0 if weights is None else weights[k]) * sigmoid(-x)
        p_u, q_i, q_j = users[u].copy(), items[i].copy(), items[j].copy()
        users[u] += rate * (gradient * (q_i - q_j) - reg_user * p_u)
        items[i] += rate * (gradient * p_u - reg_positive * q_i)
        items[j] += rate * (-gradient * p_u - reg_negative * q_j)
        if item_bias:
            biases[i] += rate * (gradient - reg_bias * biases[i])
            biases[j] += rate * (-gradient - reg_bias * biases[j])
    return total_loss, n_correct


def top_k(scores, n, candidates, excluded=()):
    """Best first; among equal scores the smaller id; padded with -1 and -inf."""
    allowed = sorted(set(candidates) - set(excluded), key=lambda item: (-scores[item], item))[:n]
    ids = np.full(n, -1)
    best = np.full(n, -np.inf)
    ids[: len(allowed)] = allowed
    best[: len(allowed)] = [scores[item] for item in allowed]
    return ids, best
