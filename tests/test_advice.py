"""Each rule of advice speaks beyond its threshold and is silent before it."""

import pytest

from fastbpr._advice import advice_for
from fastbpr._exposure_finding import Exposure
from fastbpr._findings import Comparison, Findings, Neighbours, Overlap, Sparsity, Training


def metrics(model, popularity, cooccurrence):
    return {
        name: {"hr@10": value, "ndcg@10": value}
        for name, value in (("model", model), ("popularity", popularity), ("co-occurrence", cooccurrence))
    }


NAN = float("nan")
HEALTHY = {
    "overlap": Overlap(1000, 500, 20_000, 0, 0, 20_000, 20_000),
    "training": Training("converged", 150, 150, 15, 0.11, 0.11, 0.97, 0.97, 0.2, 0.001, 15.0, 0.05),
    "neighbours": Neighbours("cosine", 10, 500, 0.5, 0.02, 40.0, 45.0, 5, 0.05, "tea", 0.05, 0.02),
    "exposure": Exposure(200, 40, 0.5, 0.02, 300, 10, 0.04, 0.03, 0.01, None),
    "comparison": Comparison(900, 10, metrics(0.2, 0.05, 0.15), metrics(0.1, 0.05, 0.09)),
    "sparsity": Sparsity(1000, 500, 20_000, 0.04, 15.0, 20.0, 20, 20, 0.1),
}


def advice(**changes):
    """Advice on healthy findings but for these."""
    parts = HEALTHY | {name: HEALTHY[name]._replace(**values) for name, values in changes.items()}
    return advice_for(Findings(**parts))


def test_a_healthy_model_gets_no_advice():
    assert advice() == ()
    assert advice_for(Findings(**HEALTHY | {"comparison": None, "exposure": None})) == ()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"overlap": {"n_learned": 18_999}}, "The log has 1,001 interactions that the model has not seen"),
        ({"overlap": {"n_learned": 19_900, "n_unknown_items": 26}}, "The log has 100 interactions that the model has"),
        (
            {"training": {"state": "diverging"}},
            "The loss rose at the end of training: learning_rate=0.05 instead of 0.2.",
        ),
        ({"training": {"state": "improving"}}, "Training had not converged: iterations=300."),
        ({"training": {"state": "too short", "n_epochs": 3, "iterations": 3}}, "had not converged: iterations=100."),
        ({"training": {"state": "too short", "way": 0.9, "first_learning_rate": 0.01}}, "learning_rate=0.1 instead of"),
        ({"training": {"state": "too short", "way": 0.9, "first_learning_rate": 0.1}}, "learning_rate=0.2 instead of"),
        ({"training": {"state": "improving", "n_epochs": 90}}, "let it go on to its 150 iterations."),
        (
            {"neighbours": {"neighbour_popularity": 121.0}},
            "Popular items fill the lists: try similarity='centred', and compare.",
        ),
        (
            {"neighbours": {"hub_share": 0.21}},
            "A few items take 21 % of their places: try similarity='centred', and compare.",
        ),
        (
            {"neighbours": {"mean_cosine": 0.31}},
            "All vectors point a similar way: try similarity='centred', and compare.",
        ),
        (
            {"exposure": {"ceo": 0.14, "excess": 0.11}},
            "14 % of the neighbours share a context with their item but little else: fit with debias='context'",
        ),
        ({"exposure": {"excess": 0.11, "debias": "context"}}, "debias='context-strong' instead of 'context'"),
        ({"exposure": {"excess": 0.11, "debias": "context-strong"}}, "fastbpr.exposure.gluing_contexts shows which"),
        ({"neighbours": {"never_share": 0.31}}, "31 % of the items are in no list of similar items: longer lists"),
        ({"sparsity": {"single_user_items": 151}}, "30 % of the items have a single user, and lists that are luck"),
        ({"sparsity": {"single_item_users": 301}}, "30 % of the users have a single item, and say nothing"),
        (
            {"comparison": {"recommendations": metrics(0.2, 0.195, 0.1)}},
            "Recommendations are no better than the most popular items: try BPR.preset('best') or fastbpr tune",
        ),
        (
            {"comparison": {"recommendations": metrics(0.2, 0.1, 0.195)}},
            "Recommendations are no better than co-occurrence: try BPR.preset('best') or fastbpr tune.",
        ),
        (
            {"comparison": {"recommendations": metrics(0.2, 0.1, 0.3), "similar_items": metrics(0.1, 0.05, 0.1)}},
            "Recommendations and similar items are no better than co-occurrence: try BPR.preset('best') or fastbpr "
            "tune; until it wins, take fastbpr.baselines.ItemCooccurrence for recommendations.",
        ),
    ],
)
def test_one_finding_leads_to_one_piece_of_advice(changes, expected):
    (text,) = advice(**changes)
    assert expected in text
    assert text.endswith(".")


@pytest.mark.parametrize(
    "changes",
    [
        {"overlap": {"n_learned": 19_000, "n_unknown_items": 25}},
        {"overlap": {"n_unknown_users": 500}},  # a model of items needs no old users
        {"neighbours": {"neighbour_popularity": 120.0, "hub_share": 0.2, "mean_cosine": 0.3, "never_share": 0.3}},
        {"neighbours": {"hub_share": 0.5, "n_items": 199}},  # one of a few items is no hub
        {"neighbours": {"mean_cosine": 0.5, "similarity": "centred"}},
        {"exposure": {"ceo": 0.4, "chance": 0.3, "excess": 0.1}},
        {"exposure": {"n_items": 0, "ceo": NAN, "chance": NAN, "excess": NAN}},
        {"sparsity": {"single_user_items": 150, "single_item_users": 300}},
        {"comparison": {"recommendations": metrics(0.2, 0.19, 0.19)}},
        {"comparison": {"n_users": 49, "recommendations": metrics(0.1, 0.2, 0.2)}},
        {"comparison": {"n_users": 0, "recommendations": {}, "similar_items": {}}},
    ],
)
def test_a_finding_within_its_threshold_leads_to_none(changes):
    assert advice(**changes) == ()


@pytest.mark.parametrize("state", ["too short", "diverging"])
def test_a_model_that_had_no_chance_to_learn_is_not_compared(state):
    found = advice(training={"state": state}, comparison={"recommendations": metrics(0.1, 0.2, 0.2)})
    assert len(found) == 1


def test_the_most_urgent_comes_first():
    found = advice(
        overlap={"n_learned": 0},
        training={"state": "improving"},
        comparison={"similar_items": metrics(0.1, 0.1, 0.2)},
        sparsity={"single_user_items": 400},
    )
    assert [text.split()[0] for text in found] == ["The", "Training", "Similar", "80"]
