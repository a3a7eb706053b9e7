"""`fastbpr similar` and `fastbpr recommend`: whom they ask for what, and how lists look."""

import io
import sys

import numpy as np
import pytest
import scipy.sparse
from command_line import assert_refused, table_after

from fastbpr import BPR, Interactions
from fastbpr.cli import main


def test_similar_items_come_from_the_same_family(run, model_file, shop):
    same = []
    for label in shop.item_labels[::10]:
        code, out, err = run("similar", model_file, label, "-n", 5)
        assert (code, err) == (0, "")
        found = [row[1] for row in table_after(out, "rank")]
        same.append(shop.clusters_of(found) == shop.clusters_of([label]))
    assert np.mean(same) > 0.9  # by chance 0.06


def test_similar_prints_rank_label_cosine_and_name_with_the_item_as_heading(run, model_file):
    model = BPR.load(model_file)
    row = model.item_rows("P0007")
    _, out, _ = run("similar", model_file, "P0007", "-n", 3)
    assert out.splitlines()[0] == f"Most similar to P0007 ({model.item_names[row]}):"
    ids, cosines = model.similar_items(row, N=4)
    expected = [
        [str(rank), model.item_labels[item], f"{cosine:.4f}", *model.item_names[item].split()]
        for rank, item, cosine in zip(range(1, 4), ids[1:], cosines[1:], strict=True)
    ]
    assert table_after(out, "rank") == expected


@pytest.mark.parametrize(
    ("of_the_model", "option", "heading"),
    [
        ("cosine", [], "cosine"),
        ("cosine", ["--similarity", "user-space"], "user-space"),
        ("centred", [], "centred"),
        ("centred", ["--similarity", "cosine"], "cosine"),
    ],
)
def test_the_column_of_similarities_is_named_after_the_one_in_use(run, tmp_path, of_the_model, option, heading):
    model = BPR(factors=2, iterations=1, similarity=of_the_model, random_state=0)
    model.fit(scipy.sparse.csr_array([[1, 1, 0], [0, 1, 1]]), show_progress=False).save(tmp_path / "m.npz")
    _, out, _ = run("similar", tmp_path / "m.npz", 0, *option)
    assert out.splitlines()[2].split() == ["rank", "label", heading]


def test_a_list_longer_than_the_catalogue_ends_with_the_catalogue(run, model_file):
    _, out, _ = run("similar", model_file, "P0007", "-n", 500)
    assert len(table_after(out, "rank")) == 299


def test_an_unknown_item_gets_the_closest_labels_with_titles(run, model_file):
    model = BPR.load(model_file)
    result = run("similar", model_file, "P0012X")
    assert_refused(result, "item label must be a known one, got 'P0012X'. Closest: ")
    assert f"P0012 ({model.item_names[model.item_rows('P0012')]})" in result[2]


def test_an_item_is_found_by_its_title_in_any_case_or_by_a_part_that_only_it_has(run, model_file):
    model = BPR.load(model_file)
    variant, *_, number = model.item_names[5].split()
    only = sum(name.startswith(f"{variant} ") and name.endswith(number) for name in model.item_names) == 1
    texts = [model.item_names[5].upper(), *([model.item_names[5][1:]] if only else [])]
    for text in texts:
        _, out, _ = run("similar", model_file, text)
        assert out.startswith(f"Most similar to {model.item_labels[5]} (")


def test_a_title_that_several_items_have_is_refused_with_a_list_of_them(run, model_file):
    result = run("similar", model_file, "lantern")
    assert_refused(result, "item must be the label or title of one item, got 'lantern': 20 titles have it: P0")
    assert "; and 10 more." in result[2]


def test_a_whole_title_goes_before_titles_that_contain_it(run, tmp_path):
    names = ["mug", "mug, large", "tea"]
    log = Interactions.from_arrays([1, 1, 2, 2], ["a", "b", "b", "c"], item_names=[names[i] for i in (0, 1, 1, 2)])
    BPR(factors=2, iterations=1).fit(log, show_progress=False).save(tmp_path / "m.npz")
    assert run("similar", tmp_path / "m.npz", "Mug")[1].startswith("Most similar to a (mug):")


def test_recommend_lists_what_is_new_to_the_user(run, model_file):
    model = BPR.load(model_file)
    ids, scores = model.recommend(model.user_rows(17), N=4)
    code, out, err = run("recommend", model_file, "17", "-n", 4)
    assert (code, err) == (0, "")
    assert out.startswith("New to user 17, best first:\n")
    rows = table_after(out, "rank")
    assert [row[1] for row in rows] == model.item_labels[ids].tolist()
    assert [row[2] for row in rows] == [f"{score:.4f}" for score in scores]


def test_an_unknown_user_gets_the_closest_labels(run, model_file):
    assert_refused(run("recommend", model_file, "17000"), "user label must be a known one, got 17000. Closest: ")


def test_a_model_of_a_plain_matrix_is_asked_by_row_numbers(run, tmp_path):
    matrix = scipy.sparse.csr_array([[1, 1, 0], [0, 1, 1]])
    BPR(factors=2, iterations=1).fit(matrix, show_progress=False).save(tmp_path / "m.npz")
    code, out, _ = run("similar", tmp_path / "m.npz", "2")
    assert code == 0
    assert sorted(row[1] for row in table_after(out, "rank")) == ["0", "1"]
    assert table_after(run("recommend", tmp_path / "m.npz", "0")[1], "rank")[0][1] == "2"
    assert_refused(run("similar", tmp_path / "m.npz", "x"), "item label must be a known one, got 'x'.")


@pytest.mark.parametrize("command", ["similar", "recommend"])
def test_a_model_file_that_is_none_is_refused(run, tmp_path, command):
    assert_refused(run(command, tmp_path / "none.npz", "1"), "path must be an existing file")
    assert_refused(run(command, tmp_path, "1"), "path must be a file, got the folder")
    (tmp_path / "other.npz").write_text("hello")
    assert_refused(run(command, tmp_path / "other.npz", "1"), "path must be a model written by fastbpr")


@pytest.mark.parametrize("command", ["similar", "recommend"])
def test_the_length_of_a_list_is_at_least_1(run, model_file, command):
    assert_refused(run(command, model_file, "1", "-n", 0), "n must be an integer >= 1, got 0")


def test_titles_are_printed_on_one_line_and_in_any_encoding(tmp_path, monkeypatch):
    names = ["plain", "Größe\n\x1b[31mred", None]
    log = Interactions.from_arrays([1, 1, 2, 2], ["a", "b", "b", "c"], item_names=[names[i] for i in (0, 1, 1, 2)])
    BPR(factors=2, iterations=1).fit(log, show_progress=False).save(tmp_path / "m.npz")
    stdout = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    assert main(["similar", str(tmp_path / "m.npz"), "a"]) == 0
    assert main(["similar", str(tmp_path / "m.npz"), "b"]) == 0
    text = stdout.buffer.getvalue().decode("ascii")
    assert text.count("Gr\\xf6\\xdfe [31mred") == 2  # in the list of a, and as a heading
    assert "\x1b" not in text
