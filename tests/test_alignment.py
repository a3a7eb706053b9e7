"""Interactions with the rows and columns of others: against looking every row up, and what is counted and refused."""

import logging
import re

import numpy as np
import pytest
from helpers import assert_same, fit
from numpy.testing import assert_array_equal

from fastbpr import BPR, Interactions
from fastbpr.baselines import Popularity
from fastbpr.evaluation import evaluate
from fastbpr.splitting import leave_one_out

TRAIN = Interactions.from_arrays(
    ["ann", "ann", "bob", "cat"], ["tea", "cup", "cup", "pot"], item_names=["Tea", "Cup", "Cup", "Pot"]
)


@pytest.fixture(params=["log", "BPR", "baseline"])
def other(request):
    """Each of the things with the users ann, bob, cat and the items tea, cup, pot."""
    if request.param == "log":
        return TRAIN
    return fit(TRAIN, factors=2, iterations=1) if request.param == "BPR" else Popularity().fit(TRAIN)


def test_rows_columns_labels_and_titles_are_those_of_the_other(other):
    later = Interactions.from_arrays(["cat", "ann", "cat"], ["cup", "pot", "tea"])
    found = later.aligned_to(other)
    assert_array_equal(found.user_items.toarray(), [[0, 0, 1], [0, 0, 0], [1, 1, 0]])
    assert found.user_items.dtype == np.float32
    assert found.user_items.has_canonical_format
    assert found.user_labels.tolist() == ["ann", "bob", "cat"]
    assert found.item_labels.tolist() == ["tea", "cup", "pot"]
    assert found.item_names.tolist() == ["Tea", "Cup", "Pot"]
    assert found.bad_rows == {}
    assert later.user_labels.tolist() == ["cat", "ann"]  # as it was


@pytest.mark.parametrize("with_contexts", [False, True])
@pytest.mark.parametrize("with_weights", [False, True])
def test_values_times_and_contexts_are_those_of_looking_every_row_up(with_contexts, with_weights):
    rng = np.random.default_rng(0)
    users, items, times, weights, contexts = (rng.integers(1, high, size=400) for high in (30, 20, 99, 5, 9))
    columns = {"timestamps": times}
    columns |= {"contexts": contexts} if with_contexts else {}
    columns |= {"weights": weights} if with_weights else {}
    log = Interactions.from_arrays(users, items, **columns)
    other = Interactions.from_arrays(
        rng.permutation(np.arange(15, 45)), np.resize(rng.permutation(np.arange(9, 25)), 30)
    )
    found = log.aligned_to(other)

    expected, latest = np.zeros((30, 16)), np.zeros((30, 16))
    row_of = {label: row for row, label in enumerate(other.user_labels.tolist())}
    column_of = {label: column for column, label in enumerate(other.item_labels.tolist())}
    good = []
    for row in range(400):
        if users[row] in row_of and items[row] in column_of:
            place = row_of[users[row]], column_of[items[row]]
            expected[place] += weights[row] if with_weights else 1
            latest[place] = max(latest[place], times[row])
            good.append((*place, contexts[row]))
    assert_array_equal(found.user_items.toarray(), expected)
    assert_array_equal(found.timestamps, latest[expected > 0])
    assert found.has_weights == with_weights
    n_unknown_users = sum(user not in row_of for user in users.tolist())
    if with_contexts or not with_weights:
        assert found.n_rows == 400
        assert found.bad_rows == {"unknown user": n_unknown_users, "unknown item": 400 - n_unknown_users - len(good)}
        assert found.n_merged_rows == len(good) - (expected > 0).sum()
    else:  # a row that repeats another is not known any more
        assert found.n_rows == log.user_items.nnz
        assert found.n_merged_rows == 0
    if with_contexts:
        rows = zip(
            found.contexts.users, found.contexts.items, found.contexts.labels[found.contexts.contexts], strict=True
        )
        assert sorted(rows) == sorted(good)


def test_aligning_to_itself_changes_nothing():
    log = Interactions.from_arrays(
        ["ann", "bob", "ann", None],
        ["tea", "tea", "tea", "cup"],
        timestamps=[1, 2, 3, 4],
        contexts=["a", None, "b", "c"],
    )
    assert_same(log.aligned_to(log), log)


def test_what_was_bad_before_is_still_counted_and_unknown_rows_are_reported(caplog):
    later = Interactions.from_arrays(["ann", None, "eve", "bob", "bob"], ["tea", "tea", "new", "new", "new"])
    caplog.clear()
    with caplog.at_level(logging.WARNING, "fastbpr"):
        found = later.aligned_to(TRAIN)
    assert found.bad_rows == {"missing user": 1, "unknown user": 1, "unknown item": 2}
    assert (found.n_rows, found.n_merged_rows) == (5, 0)
    assert caplog.messages == ["3 rows left out: unknown user 1, unknown item 2."]
    assert "4 bad rows left out: missing user 1, unknown user 1, unknown item 2." in found.summary()


def test_what_is_left_out_step_by_step_adds_up():
    later = Interactions.from_arrays(["ann", "bob", "dan", "eve"], ["tea"] * 4)
    nearer = Interactions.from_arrays(["ann", "bob", "dan"], ["tea"] * 3)
    assert later.aligned_to(nearer).aligned_to(TRAIN).bad_rows == {"unknown user": 2}


def test_labels_that_are_one_label_of_the_other_are_one_row():
    other = Interactions.from_arrays([5, 7], ["tea", "cup"])
    later = Interactions.from_arrays(["5", "5.0", "x"], ["tea", "tea", "tea"], timestamps=[4, 3, 5])
    found = later.aligned_to(other)
    assert_array_equal(found.user_items.toarray(), [[2, 0], [0, 0]])
    assert found.timestamps.tolist() == [4]


def test_a_part_of_a_split_can_be_aligned_and_an_aligned_log_can_be_split():
    log = Interactions.from_arrays(["ann", "ann", "ann", "bob"], ["tea", "tea", "cup", "tea"])
    for part in leave_one_out(log, random_state=0):
        found = part.aligned_to(TRAIN)
        assert found.n_rows == found.user_items.nnz == part.user_items.nnz
    train, test = leave_one_out(log.aligned_to(TRAIN), random_state=0)
    assert (train.user_items + test.user_items).nnz == 3


def test_another_files_interactions_can_be_test_data_and_validation(other):
    later = Interactions.from_arrays(["bob", "eve", "cat"], ["tea", "cup", "cup"])
    test = later.aligned_to(other)
    model = BPR(factors=2, iterations=2, random_state=0).fit(TRAIN, validation=test, show_progress=False)
    assert model.history[-1].validation is not None
    assert evaluate(model, TRAIN, test, metrics="mrr")["mrr"] > 0


@pytest.mark.parametrize(
    ("other", "error", "message"),
    [
        (
            TRAIN.user_items,
            TypeError,
            "other must be Interactions, or a model that was fitted to Interactions, got csr_",
        ),
        (None, TypeError, "got NoneType"),
        (
            fit(TRAIN.user_items, factors=2, iterations=1),
            ValueError,
            "other must have user and item labels, got BPR wit",
        ),
        (Popularity(), ValueError, "other must have user and item labels, got Popularity without. Fit the model"),
        (BPR(), ValueError, "got BPR without. Fit the model to Interactions first."),
        (
            Interactions.from_arrays(["zoe"], ["tea"]),
            ValueError,
            "interactions must have users that other knows, got 3 of which it knows none. Their first label and that "
            "of other: 'ann', 'zoe'.",
        ),
        (
            Interactions.from_arrays(["ann"], ["nail"]),
            ValueError,
            "interactions must have items that other knows, got 3 of which it knows none.",
        ),
        (
            Interactions.from_arrays(["bob"], ["tea"]),
            ValueError,
            "The data must have at least one good row, got 4 bad rows of 4 (unknown user 3, unknown item 1).",
        ),
    ],
)
def test_what_has_no_labels_or_knows_nothing_is_named(other, error, message):
    with pytest.raises(error, match=re.escape(message)):
        TRAIN.aligned_to(other)
