"""Tables of neighbours and recommendations, and `fastbpr export`."""

import re
import sys

import numpy as np
import pyarrow.parquet
import pytest
import scipy.sparse
from command_line import assert_refused
from helpers import fit

from fastbpr import BPR, Interactions, MissingExtraError, NotFittedError, _graphs, export
from fastbpr.cli import main


@pytest.fixture(scope="module")
def log():
    rng = np.random.default_rng(0)
    users = [f"user {user}" for user in rng.integers(60, size=900)]
    items = [f"item {item}" for item in rng.integers(40, size=900)]
    frame_titles = {item: f"Title of {item}" for item in items}
    frame_titles["item 3"] = None
    frame = {"user": users, "item": items, "title": [frame_titles[item] for item in items]}
    return Interactions.from_dataframe(pyarrow.table(frame), user="user", item="item", item_name="title")


@pytest.fixture(scope="module")
def labelled(log):
    return fit(log, iterations=10)


@pytest.fixture
def saved(labelled, tmp_path):
    labelled.save(tmp_path / "model.npz")
    return str(tmp_path / "model.npz")


def read(path):
    return pyarrow.parquet.read_table(path)


def test_neighbours_are_those_of_similar_items_with_labels_ranks_and_titles(labelled, tmp_path):
    path = tmp_path / "neighbours.parquet"
    assert export.neighbours(labelled, path, K=5, titles=True, show_progress=False) == 40 * 5
    table = read(path)
    assert [(field.name, str(field.type)) for field in table.schema] == [
        ("label", "string"), ("neighbour", "string"), ("rank", "int32"), ("score", "float"), ("title", "string"),
        ("neighbour_title", "string"),
    ]  # fmt: skip
    ids, scores = (part[:, 1:] for part in labelled.similar_items(np.arange(40), N=6))
    assert table["label"].to_pylist() == np.repeat(labelled.item_labels, 5).tolist()
    assert table["neighbour"].to_pylist() == labelled.item_labels[ids.ravel()].tolist()
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5] * 40
    assert table["score"].to_pylist() == scores.ravel().tolist()
    assert table["neighbour_title"].to_pylist() == labelled.item_names[ids.ravel()].tolist()
    assert None in table["title"].to_pylist()


def test_recommendations_are_those_of_recommend(labelled, tmp_path):
    path = tmp_path / "lists.parquet"
    n_rows = export.recommendations(labelled, path, K=40, show_progress=False)
    ids, scores = labelled.recommend(np.arange(60), N=40)
    table = read(path)
    assert n_rows == len(table) == (ids >= 0).sum() < 60 * 40  # what users have is left out, and no row stands for it
    assert table["item"].to_pylist() == labelled.item_labels[ids[ids >= 0]].tolist()
    assert table["user"].to_pylist() == np.repeat(labelled.user_labels, (ids >= 0).sum(axis=1)).tolist()
    assert table["score"].to_pylist() == scores[ids >= 0].tolist()


def test_recommendations_can_have_what_users_have_already(labelled, tmp_path):
    path = tmp_path / "lists.parquet"
    assert (
        export.recommendations(
            labelled, path, K=40, users=[2, 1], filter_already_liked_items=False, show_progress=False
        )
        == 80
    )
    assert read(path)["user"].unique().to_pylist() == labelled.user_labels[[1, 2]].tolist()


def test_some_items_and_another_similarity(labelled, tmp_path):
    path = tmp_path / "neighbours.parquet"
    export.neighbours(labelled, path, K=3, items=[7, 2], similarity="centred", show_progress=False)
    ids, scores = labelled.similar_items([2, 7], N=4, similarity="centred")
    assert read(path)["neighbour"].to_pylist() == labelled.item_labels[ids[:, 1:].ravel()].tolist()
    assert read(path)["score"].to_pylist() == scores[:, 1:].ravel().tolist()


def test_filtered_items_have_lists_but_are_in_none(labelled, tmp_path):
    path = tmp_path / "neighbours.parquet"
    left_out = [0, 5]
    assert export.neighbours(labelled, path, K=4, filter_items=left_out, show_progress=False) == 160
    table = read(path)
    assert set(table["label"].to_pylist()) == set(labelled.item_labels)
    assert not set(table["neighbour"].to_pylist()) & set(labelled.item_labels[left_out])
    expected = labelled.similar_items(0, N=4, filter_items=left_out)[0]
    assert table["neighbour"].to_pylist()[:4] == labelled.item_labels[expected].tolist()


def test_csv_has_the_same_rows(labelled, tmp_path):
    for name in ("table.csv", "table.parquet"):
        export.neighbours(labelled, tmp_path / name, K=2, show_progress=False)
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert lines[0] == '"label","neighbour","rank","score"'
    label, neighbour, rank, score = lines[2].split(",")
    row = read(tmp_path / "table.parquet").slice(1, 1).to_pylist()[0]
    assert (label, neighbour, int(rank)) == (f'"{row["label"]}"', f'"{row["neighbour"]}"', row["rank"])
    assert np.float32(score) == np.float32(row["score"])


def test_long_tables_are_written_in_parts(labelled, tmp_path, monkeypatch):
    export.neighbours(labelled, tmp_path / "whole.parquet", K=3, show_progress=False)
    monkeypatch.setattr(export, "ROWS", 7 * 3)
    export.neighbours(labelled, tmp_path / "parts.parquet", K=3, show_progress=False)
    assert pyarrow.parquet.ParquetFile(tmp_path / "parts.parquet").num_row_groups == 6
    assert read(tmp_path / "parts.parquet").equals(read(tmp_path / "whole.parquet"))


def test_tiny_catalogues_have_short_lists_and_labels_keep_their_type(tmp_path):
    model = fit(Interactions.from_arrays([0, 1, 1], [5, 6, 5]), iterations=1)
    assert export.neighbours(model, tmp_path / "table.parquet", K=9, show_progress=False) == 2
    assert str(read(tmp_path / "table.parquet").schema.field("label").type) == "int64"


def test_a_model_with_an_index_is_asked_there(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    log = Interactions.from_arrays(rng.integers(200, size=9000), rng.integers(1500, size=9000))
    served = fit(log, iterations=2).with_index(recommend=False, show_progress=False)
    asked = []
    nearest = _graphs.nearest
    monkeypatch.setattr(_graphs, "nearest", lambda *arguments: asked.append(1) or nearest(*arguments))
    export.neighbours(served, tmp_path / "table.parquet", K=3, show_progress=False)
    assert asked


def test_what_stops_the_writing_leaves_the_older_file(labelled, tmp_path, monkeypatch):
    path = tmp_path / "table.parquet"
    export.neighbours(labelled, path, K=2, show_progress=False)
    before = path.read_bytes()

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(BPR, "similar_items", stopped)
    with pytest.raises(KeyboardInterrupt):
        export.neighbours(labelled, path, K=3, show_progress=False)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["table.parquet"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"K": 0}, ValueError, "K must be an integer >= 1, got 0"),
        ({"items": [40]}, IndexError, "items must be item ids, integers from 0 to 39, got 40"),
        ({"items": []}, ValueError, "items must name at least one item"),
        ({"titles": "yes"}, TypeError, "titles must be True or False, got 'yes'"),
        ({"similarity": "dot"}, ValueError, "similarity must be"),
        ({"filter_items": ["a"]}, TypeError, "filter_items must be item ids"),
        ({"path": "table.xlsx"}, ValueError, "path must end with .parquet or .csv, got"),
        ({"path": "nowhere/table.csv"}, FileNotFoundError, "path must be in an existing folder"),
    ],
)
def test_bad_arguments_are_named_and_nothing_is_left(labelled, tmp_path, options, error, message):
    path = tmp_path / options.pop("path", "table.parquet")
    with pytest.raises(error, match=re.escape(message)):
        export.neighbours(labelled, path, show_progress=False, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (np.array([1 + 1j, 2, 3]), TypeError),
        (np.arange(3).astype("m8"), TypeError),
        ([("a", 1), ("b", 2), ("c", 3)], TypeError),
        ([b"\xff", b"b", b"c"], TypeError),
        (["\ud800", "b", "c"], ValueError),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_labels_that_a_table_cannot_hold_are_named(labels, error, ending, tmp_path):
    model = BPR(factors=2, iterations=1).fit(scipy.sparse.csr_array(np.eye(3)), show_progress=False)
    model.item_labels = np.empty(3, dtype=object) if isinstance(labels, list) else labels
    model.item_labels[:] = labels
    with pytest.raises(error, match="item_labels must be real numbers, dates or valid text to be exported, got others"):
        export.neighbours(model, tmp_path / f"table.{ending}", show_progress=False)
    assert list(tmp_path.iterdir()) == []


def test_models_that_are_not_fitted_or_have_no_titles_are_refused(communities, tmp_path):
    for function in (export.neighbours, export.recommendations):
        with pytest.raises(NotFittedError):
            function(BPR(), tmp_path / "table.csv")
        with pytest.raises(ValueError, match="titles must be False for a model without titles of items"):
            function(fit(communities, iterations=1), tmp_path / "table.csv", titles=True)


def test_without_pyarrow_the_extra_is_named(labelled, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"Writing tables needs pyarrow. Install it: .*\[io\]"):
        export.neighbours(labelled, tmp_path / "table.parquet")


# ---- the command ----------------------------------------------------------------------------------------------------


def test_the_command_writes_what_the_function_writes(labelled, saved, tmp_path, capsys):
    assert main(["export", saved, "-o", str(tmp_path / "one.parquet"), "-n", "4", "--titles", "--quiet"]) == 0
    assert capsys.readouterr() == (f"160 rows are in {tmp_path / 'one.parquet'}.\n", "")
    export.neighbours(labelled, tmp_path / "other.parquet", K=4, titles=True, show_progress=False)
    assert read(tmp_path / "one.parquet").equals(read(tmp_path / "other.parquet"))


def test_the_command_takes_items_filters_and_a_similarity_from_the_user(labelled, saved, tmp_path):
    (tmp_path / "wanted.txt").write_text("item 7\n\nitem 12\n")
    (tmp_path / "unwanted.txt").write_text("item 1\n")
    arguments = ["--items", str(tmp_path / "wanted.txt"), "--filter-items", str(tmp_path / "unwanted.txt")]
    assert (
        main(["export", saved, "-o", str(tmp_path / "one.csv"), "--similarity", "centred", "--quiet", *arguments]) == 0
    )
    export.neighbours(
        labelled, tmp_path / "other.csv", items=labelled.item_rows(["item 7", "item 12"]), similarity="centred",
        filter_items=labelled.item_rows(["item 1"]), show_progress=False,
    )  # fmt: skip
    assert (tmp_path / "one.csv").read_text() == (tmp_path / "other.csv").read_text()


def test_the_command_writes_recommendations(labelled, saved, tmp_path):
    output = str(tmp_path / "lists.parquet")
    assert main(["export", saved, "-o", output, "--what", "recommendations", "-n", "3", "--quiet"]) == 0
    export.recommendations(labelled, tmp_path / "other.parquet", K=3, show_progress=False)
    assert read(output).equals(read(tmp_path / "other.parquet"))


@pytest.mark.parametrize("what", ["neighbours", "recommendations"])
def test_the_command_builds_an_index_and_tells_its_recall(saved, tmp_path, capsys, what):
    assert main(["export", saved, "-o", str(tmp_path / "table.parquet"), "--what", what, "--approximate"]) == 0
    assert "The index finds 100.0 % of the ten best" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "table.txt"], "output must end with .parquet or .csv, got 'table.txt'"),
        (["-o", "table.csv", "-n", "0"], "n must be an integer >= 1, got 0"),
        (
            ["-o", "table.csv", "--what", "recommendations", "--items", "x"],
            "--items must be left out with --what recommendations, got 'x'. It is for neighbours.",
        ),
        (["-o", "table.csv", "--items", "missing.txt"], "missing.txt"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(saved, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    code = main(["export", saved, "--quiet", *options])
    assert_refused((code, *capsys.readouterr()), message)
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_the_command_names_an_unknown_label(saved, tmp_path, capsys):
    (tmp_path / "wanted.txt").write_text("item 777\n")
    code = main(
        ["export", saved, "-o", str(tmp_path / "table.csv"), "--items", str(tmp_path / "wanted.txt"), "--quiet"]
    )
    assert_refused((code, *capsys.readouterr()), "item 777")
