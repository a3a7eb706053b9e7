"""Rows that are sums of other rows: the kernels against plain NumPy, and the rates at which changes are handed on."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from fastbpr import _composition, _tables
from fastbpr._composition import Composition, Side, feature_rates

LANES = _tables.LANES


def random_features(n_rows, n_features, rng, *, signs=False, density=0.3):
    matrix = (rng.random((n_rows, n_features)) < density) * rng.random((n_rows, n_features))
    if signs:
        matrix *= rng.choice([-1, 1], size=matrix.shape)
    return scipy.sparse.csr_array(matrix.astype(np.float32))


@pytest.fixture(params=[(7, 3, 16, -1), (61, 13, 32, 32), (200, 40, 64, 68)], ids=["no bias", "bias", "later bias"])
def case(request):
    """A random composition; biases at different places of the line of extras, or none."""
    n_rows, n_features, width, bias = request.param
    rng = np.random.default_rng(n_rows)
    stride = width + LANES * (bias >= 0)
    tables = [_tables.aligned_zeros(n, stride) for n in (n_rows, n_features, n_rows)]
    for table in tables:
        table[:] = rng.normal(size=table.shape)
    side = Side(random_features(n_rows, n_features, rng, signs=True), True, 0.25, 0.5, 0.5)
    composition = Composition(side, *tables, (width, bias), 1, 2)
    columns = [*range(width), *([bias] if bias >= 0 else [])]
    return composition, side.features.toarray().astype(float), columns


def use(kernel, monkeypatch):
    monkeypatch.setattr(_composition, "composition", kernel)


@pytest.mark.parametrize("key", [None, (3, 1)], ids=["whole rows", "some hidden"])
def test_rows_are_the_sums_of_what_they_are_made_of(case, kernels, monkeypatch, key):
    composition, features, columns = case
    use(kernels[2], monkeypatch)
    before = composition.rows.copy()
    composition.compose(key)
    hidden = composition.hidden.astype(bool) if len(composition.hidden) else np.zeros(len(features), dtype=bool)
    assert key is None or 0 < hidden.sum() < len(hidden)
    expected = features @ composition.features + ~hidden[:, None] * composition.own
    assert_allclose(composition.rows[:, columns], expected[:, columns], rtol=1e-5, atol=1e-5)
    others = np.setdiff1d(np.arange(before.shape[1]), columns)
    assert_array_equal(composition.rows[:, others], before[:, others])  # an optimiser's sums are not composed


@pytest.mark.parametrize("key", [None, (3, 1)], ids=["whole rows", "some hidden"])
def test_changes_of_rows_are_handed_on_by_the_formula(case, kernels, monkeypatch, key):
    composition, features, columns = case
    use(kernels[2], monkeypatch)
    composition.compose(key)
    hidden = composition.hidden.astype(bool) if len(composition.hidden) else np.zeros(len(features), dtype=bool)
    change = np.random.default_rng(1).normal(size=composition.rows.shape).astype(np.float32)
    feature_vectors, own = composition.features.astype(float), composition.own.astype(float)
    composition.rows += change
    composition.hand_on()
    expected = feature_vectors + composition.rates[:, None] * (features.T @ change)
    assert_allclose(composition.features[:, columns], expected[:, columns], rtol=1e-4, atol=1e-5)
    expected = own + composition.own_rates[:, None] * ~hidden[:, None] * change
    assert_allclose(composition.own[:, columns], expected[:, columns], rtol=1e-4, atol=1e-5)


def test_changes_are_handed_on_once(case):
    composition = case[0]
    composition.compose(None)
    composition.rows += 1
    composition.hand_on()
    once = composition.features.copy()
    composition.hand_on()
    assert_array_equal(composition.features, once)


@pytest.mark.parametrize("signs", [False, True])
@pytest.mark.parametrize("density", [0.02, 0.3, 1.0])
def test_rows_move_at_most_as_far_as_they_are_told(signs, density):
    rng = np.random.default_rng(0)
    matrix = random_features(150, 30, rng, signs=signs, density=density)
    dense = matrix.toarray().astype(float)
    eigenvalues = np.linalg.eigvalsh((dense * feature_rates(matrix, 0.5)) @ dense.T)
    assert eigenvalues.max() <= 0.5 * (1 + 1e-5)
    assert eigenvalues.max() > 0.35  # and not much less far either


def test_the_unit_of_features_does_not_matter():
    matrix = random_features(50, 8, np.random.default_rng(0))
    assert_allclose(feature_rates(scipy.sparse.csr_array(matrix * 8), 0.5) * 64, feature_rates(matrix, 0.5), rtol=1e-6)


def test_a_feature_that_no_row_has_stays_at_zero():
    matrix = scipy.sparse.csr_array(np.array([[1, 0], [1, 0]], dtype=np.float32))
    side = Side(matrix, True, 0.1, 0.5, 0.5)
    table = _composition.starting_features(side, 4, 0.1, 16, np.random.default_rng(0))
    assert feature_rates(matrix, 0.5)[1] == 0
    assert table[0].any()
    assert not table[1].any()


def test_rows_without_features_are_never_hidden_and_move_at_once():
    matrix = scipy.sparse.csr_array(np.array([[1, 0], [0, 0]], dtype=np.float32))
    tables = [_tables.aligned_zeros(n, 16) for n in (2, 2, 2)]
    composition = Composition(Side(matrix, True, 0.1, 0.5, 0.99), *tables, (16, -1), 0, 1)
    composition.compose((1, 2))
    assert not composition.hidden[1]
    assert composition.own_rates.tolist() == [np.float32(0.1), 1]


def test_features_start_so_that_rows_have_the_wanted_size():
    matrix = random_features(2000, 50, np.random.default_rng(0))
    side = Side(matrix, True, 0.1, 0.5, 0.5)
    table = _composition.starting_features(side, 32, 0.1, 32, np.random.default_rng(1))
    assert (matrix @ table).std() == pytest.approx(0.1, rel=0.1)
