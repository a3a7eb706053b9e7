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


def pulls_and_loss(loss, positive_score, scores, corrections=0.0):
    """How far each negative is pushed away, and the loss, for one positive and several negatives."""
    scores = np.asarray(scores, dtype=float)
    if loss == "bpr":
        return sigmoid(scores - positive_score) / len(scores), loss_of(positive_score - scores).mean()
    powers = np.exp(np.append(scores - corrections, positive_score))
    shares = powers / powers.sum()
    return shares[:-1], -np.log(shares[-1])


def warp_pull(n_items, n_drawn):
    """Weight of a violation found at this draw: 1 + 1/2 + .. + 1/rank over its largest value."""
    weight_of = np.cumsum(1 / np.arange(1, n_items))
    return weight_of[max((n_items - 1) // n_drawn, 1) - 1] / weight_of[-1]


class Adagrad:
    """Step sizes by the sums of squared gradients of every row and bias; each sum starts from `FIRST_SQUARES`."""

    FIRST_SQUARES = 0.1

    def __init__(self, model):
        self.sums = [np.zeros(len(part)) for part in model]

    def size(self, learning_rate, part, index, gradient):
        self.sums[part][index] += np.mean(gradient**2)
        return learning_rate / np.sqrt(self.sums[part][index] + self.FIRST_SQUARES)


def apply_step(model, user, positive, negatives, pulls, strengths, adagrad=None):
    """Move the rows of one step in place: all from their values before, a negative drawn twice one after the other."""
    rate, reg_user, reg_positive, reg_negative, reg_bias = strengths
    users, items, _ = model
    p = users[user].copy()
    moves = [(0, user, sum(pulls) * items[positive] - np.asarray(pulls) @ items[list(negatives)], reg_user)]
    for item, pull, share, penalty in [
        (positive, sum(pulls), 1, reg_positive),
        *((item, -pull, 1 / len(pulls), reg_negative) for item, pull in zip(negatives, pulls, strict=True)),
    ]:
        moves += [(1, item, pull * p, penalty * share), (2, item, pull, reg_bias * share)]
    for part, index, direction, penalty in moves:
        gradient = direction - penalty * model[part][index]
        size = rate if adagrad is None else adagrad.size(rate, part, index, gradient)
        model[part][index] += size * gradient


def tetrad_objective(model, tetrad, strengths, weight=1.0):
    """The function whose negative gradient is the step of a context tetrad: two users and what each chose."""
    user, item, other_user, other_item = tetrad
    users = model.user_factors[user] - model.user_factors[other_user]
    delta = users @ (model.item_factors[item] - model.item_factors[other_item])
    penalty = strengths.reg_user * (model.user_factors[[user, other_user]] ** 2).sum()
    penalty += strengths.reg_positive * (model.item_factors[[item, other_item]] ** 2).sum()
    return weight * np.log1p(np.exp(-delta / 2)) + penalty / 2


def apply_tetrads(model, tetrads, weights, strengths):
    """Apply the steps of tetrads in place, in order; return the sum of losses and how many were in the right order."""
    total, n_correct = 0.0, 0
    for (user, item, other_user, other_item), weight in zip(tetrads, weights, strict=True):
        users = model.user_factors[user] - model.user_factors[other_user]
        items = model.item_factors[item] - model.item_factors[other_item]
        half = users @ items / 2
        pull = weight * sigmoid(-half) / 2
        for row, direction in ((user, items), (other_user, -items)):
            model.user_factors[row] += strengths.learning_rate * (
                pull * direction - strengths.reg_user * model.user_factors[row]
            )
        for row, direction in ((item, users), (other_item, -users)):
            model.item_factors[row] += strengths.learning_rate * (
                pull * direction - strengths.reg_positive * model.item_factors[row]
            )
        total += loss_of(half)
        n_correct += half > 0
    return total, n_correct


def top_k(scores, n, candidates, excluded=()):
    """Best first; among equal scores the smaller id; padded with -1 and -inf."""
    allowed = sorted(set(candidates) - set(excluded), key=lambda item: (-scores[item], item))[:n]
    ids = np.full(n, -1)
    best = np.full(n, -np.inf)
    ids[: len(allowed)] = allowed
    best[: len(allowed)] = [scores[item] for item in allowed]
    return ids, best
