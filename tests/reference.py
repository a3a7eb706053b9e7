"""BPR in plain NumPy, float64: the specification that the kernels must meet. Slow and easy to read."""

import math
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


class Adadelta:
    """Step sizes by running means of the squared gradients and updates of every row and bias."""

    def __init__(self, model, rho=0.95, epsilon=1e-6):
        self.rho, self.epsilon = rho, epsilon
        self.gradients, self.updates = ([np.zeros(len(part)) for part in model] for _ in range(2))

    def size(self, learning_rate, part, index, gradient):
        gradients, updates = self.gradients[part], self.updates[part]
        gradients[index] = self.rho * gradients[index] + (1 - self.rho) * np.mean(gradient**2)
        size = np.sqrt(updates[index] + self.epsilon) / np.sqrt(gradients[index] + self.epsilon)
        updates[index] = self.rho * updates[index] + (1 - self.rho) * np.mean((size * gradient) ** 2)
        return learning_rate * size


OPTIMIZERS = {"sgd": lambda model: None, "adagrad": Adagrad, "adadelta": Adadelta}


def move(model, moves, rate, optimizer):
    """Move parts of a model along their gradients: (part, index, direction, penalty) each."""
    for part, index, direction, penalty in moves:
        gradient = direction - penalty * model[part][index]
        size = rate if optimizer is None else optimizer.size(rate, part, index, gradient)
        model[part][index] += size * gradient


def apply_step(model, user, positive, negatives, pulls, strengths, optimizer=None):
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
    move(model, moves, rate, optimizer)


class SignedModel(NamedTuple):
    user_factors: np.ndarray
    item_factors: np.ndarray
    item_biases: np.ndarray
    user_biases: np.ndarray

    def score(self, user, item):
        return self.user_factors[user] @ self.item_factors[item] + self.item_biases[item] + self.user_biases[user]


def signed_objective(model, user, item, weight, strengths):
    """The function whose negative gradient is a step of the logistic loss; the weight has the sign."""
    reg_item = strengths.reg_positive if weight > 0 else strengths.reg_negative
    penalty = strengths.reg_user * (model.user_factors[user] ** 2).sum()
    penalty += reg_item * (model.item_factors[item] ** 2).sum()
    penalty += strengths.reg_bias * (model.item_biases[item] ** 2 + model.user_biases[user] ** 2)
    return -abs(weight) * np.log(sigmoid(np.sign(weight) * model.score(user, item))) + penalty / 2


def apply_signed(model, interactions, weights, strengths, optimizer=None):
    """Apply steps of the logistic loss in place, in order; return the sum of losses and how many signs were right."""
    total, n_correct = 0.0, 0
    for (user, item), weight in zip(interactions, weights, strict=True):
        margin = np.sign(weight) * model.score(user, item)
        total += loss_of(margin)
        n_correct += margin > 0
        pull = weight * sigmoid(-margin)
        reg_item = strengths.reg_positive if weight > 0 else strengths.reg_negative
        p, q = model.user_factors[user].copy(), model.item_factors[item].copy()
        moves = [(0, user, pull * q, strengths.reg_user), (1, item, pull * p, reg_item)]
        moves += [(2, item, pull, strengths.reg_bias), (3, user, pull, strengths.reg_bias)]
        move(model, moves, strengths.learning_rate, optimizer)
    return total, n_correct


def chances_of_positives(n_own, n_positives, positive_rank):
    """How often k-OS WARP takes each of a user's positives, best first: P(binomial >= rank) up to each, differenced."""
    shares = np.arange(n_own + 1) / n_own
    reached = np.zeros(n_own + 1)
    for hits in range(positive_rank, n_positives + 1):
        reached += math.comb(n_positives, hits) * shares**hits * (1 - shares) ** (n_positives - hits)
    return np.diff(reached)


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


def fold_in_user(own, item_factors, item_biases, compared, regularization, draws, n_first, near):
    """Return a user's vector by the steps of the kernel, which describes them, with sums as the formulas have them."""
    basis, spread, mean = (np.asarray(part, dtype=float) for part in (compared.basis, compared.spread, compared.mean))
    positives = item_factors.astype(float)[own] @ basis[: item_factors.shape[1]]
    positive_biases = item_biases[own].astype(float)
    free = np.zeros(len(compared.rows), dtype=bool)
    free[compared.places[~np.isin(compared.sampled, own)]] = True
    apart, variance = positives.mean(axis=0) - mean, positives.var(axis=0)
    vector = direction = last_gradient = np.zeros(len(mean))
    n_places = n_first if free[:n_first].any() and n_first < len(free) else len(free)
    slope = length = last_promised = 0
    last_value = value_before = np.inf
    is_new = False
    for _ in range(200):
        places = np.flatnonzero(free[:n_places])
        negatives, biases = compared.rows[places].astype(float), compared.biases[places].astype(float)
        odds = draws * np.exp((negatives @ vector + biases)[None] - (positives @ vector + positive_biases)[:, None])
        level = odds.mean(axis=1)
        chances = level / (1 + level)
        shares = odds[0] / odds[0].sum()
        chance, curvature = chances.mean(), (chances * (1 - chances)).mean()
        gradient = chance * shares @ negatives - chances @ positives / len(own) + regularization * vector
        value = np.log(1 + level).mean() + regularization / 2 * vector @ vector
        ahead = gradient @ direction
        if slope < 0 and ahead > -slope / 2:
            shorter = length * max(slope / (slope - ahead), 0.1)
            vector = vector + (shorter - length) * direction
            length = shorter
            continue
        inverse = 1 / (chance * spread + curvature * variance + regularization)
        along = curvature * (apart * inverse) @ gradient / (1 + curvature * (apart * inverse) @ apart)
        scaled = inverse * (gradient - along * apart)
        promised = gradient @ scaled
        if promised <= 0 or (promised / 2 <= near * value and value_before - value <= near * value):
            if n_places == len(free):
                break
            n_places, slope, last_promised, value_before, is_new = len(free), 0, 0, np.inf, True
            continue
        conjugate = max(0, (promised - scaled @ last_gradient) / last_promised) if last_promised > 0 else 0
        direction = conjugate * direction - scaled
        if gradient @ direction >= 0:
            direction = -scaled
        slope, last_gradient, last_promised = gradient @ direction, gradient, promised
        value_before, last_value, is_new = value if is_new else last_value, value, False
        of_negatives, of_positives = negatives @ direction, positives @ direction
        middle = shares @ of_negatives
        along = chance * shares @ (of_negatives - middle) ** 2
        along += (chances * (1 - chances) * (of_positives - middle) ** 2).mean()
        length = -slope / (along + regularization * direction @ direction)
        moves = np.append(compared.rows[:n_places].astype(float) @ direction, of_positives)
        length = min(length, 16 / np.sqrt((moves**2).mean()))
        vector = vector + length * direction
    return (basis @ vector)[: item_factors.shape[1]]
