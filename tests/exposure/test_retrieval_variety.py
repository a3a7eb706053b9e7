"""Maximal marginal relevance, against a choice made item by item."""

import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from retrieval import cosines, log_of, vectors

from fastbpr.baselines import ItemCooccurrence
from fastbpr.exposure import reranked, varied, variety


def varied_by_hand(relevance, likeness, item, diversity, depth):
    """The list of an item, itself left out, and the value of each place, as far as they are chosen."""
    others = sorted((other for other in range(len(relevance)) if other != item), key=lambda other: -relevance[other])
    waiting, chosen, values = others[:depth], [], []
    while waiting:
        value = {
            other: (1 - diversity) * relevance[other]
            - diversity * max([0.0, *(likeness[other, before] for before in chosen)])
            for other in waiting
        }
        best = max(waiting, key=value.__getitem__)
        chosen.append(best)
        values.append(value[best])
        waiting.remove(best)
    return chosen + others[depth:], values


@pytest.mark.parametrize("diversity", [0.1, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("depth", [1, 6, 200])
@pytest.mark.parametrize("at_once", [variety.NUMBERS_AT_ONCE, 1])
def test_lists_are_chosen_item_by_item(monkeypatch, diversity, depth, at_once):
    monkeypatch.setattr(variety, "NUMBERS_AT_ONCE", at_once)
    model = vectors(23)
    likeness = cosines(model.item_factors)
    for N in (4, 23):
        ids, scores = varied(model, diversity, depth).similar_items(np.arange(23), N=N)
        for item in range(23):
            expected, values = varied_by_hand(likeness[item], likeness, item, diversity, depth)
            assert ids[item].tolist() == [item, *expected][:N]
            assert_allclose(scores[item, 1 : 1 + len(values)], values[: N - 1], atol=1e-5)
            assert (np.diff(scores[item, 1:]) <= 1e-6).all()


def test_of_re_ranked_lists_scores_are_the_new_ones_and_cosines_the_models():
    log = log_of()
    model = vectors(log.n_items)
    re_ranked = reranked(model, log, beta=2.0)
    rows, likeness = re_ranked.similarity(np.arange(log.n_items)), cosines(model.item_factors)
    ids, _ = varied(re_ranked, 0.4).similar_items(np.arange(log.n_items), N=log.n_items)
    for item in range(log.n_items):
        assert ids[item].tolist() == [item, *varied_by_hand(rows[item], likeness, item, 0.4, 200)[0]]


def test_a_models_own_similarity_is_what_neighbours_are_compared_by():
    log = log_of()
    model = ItemCooccurrence(shrinkage=0.37).fit(log)
    rows = model.similarity(np.arange(log.n_items))
    ids, scores = varied(model, 0.6).similar_items(np.arange(log.n_items), N=8)
    for item in range(log.n_items):
        _, values = varied_by_hand(rows[item], rows, item, 0.6, 200)
        assert_allclose(scores[item, 1:], values[:7], atol=1e-5)
        assert ids[item, 0] == item


def test_variety_puts_the_second_of_two_equal_neighbours_off():
    model = vectors(4)
    model.item_factors = np.array([[1.0, 0.0], [1.0, 0.3], [1.0, 0.3], [1.0, -0.5]])
    assert varied(model, 0.0).similar_items(0, N=4)[0].tolist() == [0, 1, 2, 3]
    assert varied(model, 0.5).similar_items(0, N=4)[0].tolist() == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"diversity": 1.5}, ValueError, "diversity must be a number from 0 to 1, got 1.5"),
        ({"diversity": "some"}, TypeError, "diversity must be a number from 0 to 1, got 'some'"),
        ({"depth": 2.5}, TypeError, "depth must be an integer >= 1, got 2.5"),
    ],
)
def test_a_bad_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        varied(vectors(5), **arguments)
