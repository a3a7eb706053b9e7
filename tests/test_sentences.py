"""Numbers in sentences: as few digits as a reader can use, and nothing that is not so."""

import pytest

from fastbpr._sentences import counted, number, percent


@pytest.mark.parametrize(("count", "text"), [(0, "0 users"), (1, "1 user"), (1234, "1,234 users")])
def test_a_noun_agrees_with_its_count(count, text):
    assert counted("user", count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.0123, "0.012"), (1.25, "1.2"), (99.9, "99.9"), (1234.5, "1,234")]
)
def test_a_number_has_the_digits_that_matter(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1e-6, "less than 0.001 %"),
        (1e-4, "0.01 %"),
        (0.0042, "0.4 %"),
        (0.0099, "1 %"),
        (0.126, "13 %"),
        (0.999, "99 %"),
        (1, "100 %"),
    ],
)
def test_only_all_and_nothing_are_100_and_0_per_cent(share, text):
    assert percent(share) == text
