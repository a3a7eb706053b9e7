"""Does serving.py answer its questions, on small data? Nothing is timed."""

import pytest
import serving


def asked(what, *arguments):
    return serving.QUESTIONS[what](serving.parser().parse_args([what, "--data", "tiny", *arguments]))


def test_newcomers_are_folded_in_on_one_and_two_threads():
    _, [(columns, rows)] = asked("newcomers", "--users", "50", "--repetitions", "1")
    assert [len(row) for row in rows] == [len(columns)] * len(serving.MODELS)


def test_half_of_the_items_are_given():
    matrix = serving.power_law(*serving.SIZES["tiny"])
    given, other = serving.halves(matrix)
    assert ((given + other) != matrix).nnz == 0
    difference = given.count_nonzero(axis=1) - other.count_nonzero(axis=1)
    assert set(difference.tolist()) == {0, 1}


def test_a_log_is_divided_in_time():
    old, new, both, week = serving.generated_log("tiny")
    assert old.user_items.nnz + new.user_items.nnz == both.user_items.nnz
    assert new.user_items.nnz == pytest.approx(0.1 * both.user_items.nnz, abs=1)
    assert week.user_items.nnz == pytest.approx(7 / 365 * both.user_items.nnz, rel=0.3)


def test_partial_fits_are_compared_with_a_new_fit():
    _, [(_, rows)] = asked("partial-fit", "--seeds", "1", "--trainers", "defaults")
    assert [row[0] for row in rows] == ["no update", "new fit", *serving.REPLAYS]


def test_a_mapped_model_is_not_copied(tmp_path):
    _, [(_, rows)] = asked("open", "--rows", "3000", "--repetitions", "1", "--folder", str(tmp_path))
    assert [row[6] for row in rows] == ["0 of 3"] * 2 + ["3 of 3"] * 2


def test_threads_get_the_answers_of_one():
    _, tables = asked("concurrent", "--seconds", "0", "--questions", "2")
    assert [rows[-1][2:] for _, rows in tables] == [[0, 0]] * 3


def test_another_answer_and_an_error_are_noticed():
    questions = [("right", lambda _: (1,)), ("wrong", lambda _: (2,)), ("raises", lambda _: 1 / 0)]
    counts, problems = serving.asked_for(0, None, questions, {0: [1], 1: [1], 2: [1]})
    assert counts == dict.fromkeys(range(3), serving.N_THREADS)
    assert {kind for kind, _ in problems} == {"wrong", "raises"}


def test_an_index_finds_the_best():
    _, [(columns, rows)] = asked("index", "--items", "3000", "--queries", "20")
    assert {len(row) for row in rows} == {len(columns)}


def test_imports_of_implicit_become_ours():
    theirs = "import implicit\n    from implicit.bpr import B\nfrom implicit.als import A"
    assert serving.with_our_imports(theirs).splitlines() == [
        "from fastbpr.compat import implicit",
        "    from fastbpr.compat.implicit.bpr import B",
        "from implicit.als import A",
    ]
