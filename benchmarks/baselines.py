"""BPR as one writes it before caring about speed: in plain Python, and with NumPy for the vectors.

Both do what the library does and are short enough to read: this is the algorithm. A triplet of a user u, an item i that
the user has (positive) and an item j that the user does not have (negative) has the margin

    margin = p_u . (q_i - q_j) + b_i - b_j,

should have a positive one, and is pulled that way, most where it is most wrong: pull = sigmoid(-margin).
"""

import math
from typing import NamedTuple

import numpy as np


class Model(NamedTuple):
    """Lists of lists of float for `update_plain`, arrays for `update_numpy`."""

    users: list | np.ndarray  # p, (n_users, factors)
    items: list | np.ndarray  # q, (n_items, factors)
    biases: list | np.ndarray  # b, (n_items,)


def train_epoch(update, model, interactions, step, rng):
    """Make one update per (user, item) of a list, in random order; return (mean loss before each update, n_updates).

    Negatives are uniform over the items that the user does not have; no user may have all of them.
    """
    liked = {}
    for user, item in interactions:
        liked.setdefault(user, set()).add(item)
    n_items = len(model.items)
    total_loss, n_updates = 0.0, 0
    for user, positive in rng.sample(interactions, len(interactions)):
        negative = rng.randrange(n_items)
        while negative in liked[user]:
            negative = rng.randrange(n_items)
        total_loss += update(model, user, positive, negative, step)
        n_updates += 1
    return total_loss / n_updates, n_updates


def update_plain(model, user, positive, negative, step):
    """Make one update with lists; return the loss before it."""
    rate, reg_user, reg_positive, reg_negative, reg_bias = step
    users, items, biases = model
    p, q_i, q_j = users[user], items[positive], items[negative]

    margin = biases[positive] - biases[negative]
    margin += sum(a * (b - c) for a, b, c in zip(p, q_i, q_j, strict=True))
    pull = 1 / (1 + math.exp(margin))

    # New lists, so that all three rows move from their values before the update.
    users[user] = [a + rate * (pull * (b - c) - reg_user * a) for a, b, c in zip(p, q_i, q_j, strict=True)]
    items[positive] = [b + rate * (pull * a - reg_positive * b) for a, b in zip(p, q_i, strict=True)]
    items[negative] = [c + rate * (-pull * a - reg_negative * c) for a, c in zip(p, q_j, strict=True)]
    biases[positive] += rate * (pull - reg_bias * biases[positive])
    biases[negative] += rate * (-pull - reg_bias * biases[negative])
    return -math.log(1 - pull + 1e-10)


def update_numpy(model, user, positive, negative, step):
    """Make one update with arrays; return the loss before it."""
    rate, reg_user, reg_positive, reg_negative, reg_bias = step
    users, items, biases = model
    p, q_i, q_j = users[user].copy(), items[positive], items[negative]

    difference = q_i - q_j
    margin = p @ difference + biases[positive] - biases[negative]
    pull = 1 / (1 + np.exp(margin))

    users[user] += rate * (pull * difference - reg_user * p)
    items[positive] += rate * (pull * p - reg_positive * q_i)
    items[negative] += rate * (-pull * p - reg_negative * q_j)
    biases[positive] += rate * (pull - reg_bias * biases[positive])
    biases[negative] += rate * (-pull - reg_bias * biases[negative])
    return -np.log(1 - pull + 1e-10)


def random_model(n_users, n_items, factors, seed=0):
    """Return a model of arrays to start from."""
    rng = np.random.default_rng(seed)
    users = rng.normal(0, 0.1, (n_users, factors)).astype(np.float32)
    items = rng.normal(0, 0.1, (n_items, factors)).astype(np.float32)
    return Model(users, items, np.zeros(n_items, dtype=np.float32))


def as_lists(model):
    """Return a model of arrays as lists."""
    return Model(*(array.tolist() for array in model))
