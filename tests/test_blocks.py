"""How rows are divided into blocks."""

import pytest

from fastbpr._blocks import slices


@pytest.mark.parametrize(
    ("n", "size", "expected"),
    [
        (7, 3, [(0, 3), (3, 6), (6, 7)]),
        (6, 3, [(0, 3), (3, 6)]),
        (2, 3, [(0, 2)]),
        (0, 3, []),
        (2, 0, [(0, 1), (1, 2)]),  # a row is more than fits: one at a time
    ],
)
def test_slices_cover_all_rows_once_and_end_with_them(n, size, expected):
    assert [(part.start, part.stop) for part in slices(n, size)] == expected
