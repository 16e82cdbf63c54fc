"""A wrong YAML says which field, what is wrong and what is allowed."""

from datetime import timedelta

import pytest
import yaml
from pydantic import ValidationError

from configs.errors import BadConfig
from configs.schema.costs import ClassCost, ErrorCost
from configs.schema.loading import load_use_case, use_case_names
from configs.schema.use_case import UseCase
from configs.settings import ROOT

FLIGHTS = (ROOT / "configs" / "flights.yaml").read_text()
RULE = {"metric": "roc_auc", "window": "5w", "worse_by": 0.06}


@pytest.fixture
def wrong(tmp_path):
    """Loads flights.yaml after one change, and gives the error's text."""

    def load(path: str, value: object) -> str:
        content = yaml.safe_load(FLIGHTS)
        *way, last = path.split(".")
        place = content
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
        (tmp_path / "flights.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        with pytest.raises(BadConfig) as raised:
            load_use_case("flights", tmp_path)
        return str(raised.value)

    return load


def test_the_shipped_use_case_holds():
    assert "flights" in use_case_names()
    flights = load_use_case("flights")
    assert flights.features.inputs
    assert flights.split.holdout == timedelta(days=21)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("gate.rule", "better", "'superiority', 'non_inferiority' or 'expected_gain'"),
        ("gate.marginn", 1, "gate.marginn: unknown field; allowed: metric, rule, margin"),
        (
            "monitor.drift.flor",
            1,
            "monitor.drift.flor: unknown field; allowed: severity, bad, of, floor",
        ),
        ("evaluation.cost", {"over": 1, "foo": 1}, "unknown field; allowed: over, under"),
        ("evaluation.cost", {"over": 1, "under": 3}, "over, under are invalid for a binary label"),
        ("rollout.chares", [0.1], "unknown field; allowed: step, patience, kind, shares, unit"),
        ("gate.metric", "rmse", "gate.metric: rmse is invalid for a binary label"),
        ("tables.weather.suit", "x", "unknown field; allowed: files, columns, csv, keys"),
        ("monitor.performance.0.metric", "accuracy", "monitor.performance.0.metric"),
        ("label", ..., "label: Field required"),
        ("tables.weather.keys", ["station"], "column 'station' not found; columns: origin"),
        ("tables.weather.known_time", "origin", "column 'origin' has type text, not time"),
        ("tables.weather.event_time", ..., "event_time and known_time: name a column for each"),
        ("tables.planes.known_from", "2013-01-01", "set only known_from"),
        ("tables.weather.files", "weather/*.xlsx", "it must end in .parquet, .csv"),
        ("retrain.window", "a year", "write a whole number and m, h, d or w, like 7d"),
        ("schedules.score", "hourly", "schedules.score"),
        ("features.categorical", ["carrier", "late"], "the label 'late' is an input"),
        ("evaluation.slices", ["airline"], "evaluation.slices: 'airline' is not an input"),
        ("monitor.performance", [RULE, {**RULE, "severity": "ticket"}], "have the same window"),
        ("monitor.drift", {"bad": 3, "of": 2}, "3 of 2 windows is impossible"),
        ("notify", [{"block": "ops"}], "notify.0.block"),
        ("name", "delays", "set it to 'flights'"),
        ("candidates.boosting.estimator", "os.system", "candidates.boosting.estimator"),
    ],
)
def test_a_mistake_is_named_with_its_field(wrong, path, value, said):
    assert said in wrong(path, value)


REGRESSION = {
    "label": {"column": "delay", "kind": "regression"},
    "evaluation": {"cost": {"over": 1, "under": 3}},
    "gate": {"rule": "superiority"},
    "monitor": {"performance": [{"metric": "mae", "window": "5w", "worse_by": 0.1}]},
}


def test_a_number_as_label_has_metrics_and_prices_of_its_own():
    found = UseCase.model_validate({**yaml.safe_load(FLIGHTS), **REGRESSION})
    assert (found.evaluation.metric, found.gate.metric) == ("rmse", "rmse")
    assert found.evaluation.cost == ErrorCost(over=1, under=3)
    written = found.model_dump(mode="json", by_alias=True)
    assert UseCase.model_validate(written) == found


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("evaluation", {"cost": {"false_positive": 1, "false_negative": 3}}, "use over, under"),
        ("evaluation", {"cost": {"over": 0, "under": 0}}, "no error has a cost"),
        ("gate", {"metric": "roc_auc"}, "gate.metric: roc_auc is invalid for a regression label"),
        ("monitor", {"performance": [RULE]}, "monitor.performance.0.metric: roc_auc"),
        ("explanations", {"flagged": True}, "explanations.flagged: a regression label has no"),
    ],
)
def test_what_fits_no_number_is_named_with_its_field(part, value, said):
    with pytest.raises(ValidationError, match=said):
        UseCase.model_validate({**yaml.safe_load(FLIGHTS), **REGRESSION, part: value})


CLASSES = {
    "label": {
        "column": "arrival", "kind": "multiclass", "classes": ["early", "on_time", "late"]
    },
    "evaluation": {"cost": {"wrong": 2, "exceptions": {"late": {"early": 5}}}},
    "gate": {"rule": "superiority"},
    "monitor": {"performance": [{"metric": "accuracy", "window": "5w", "worse_by": 0.1}]},
    "explanations": {"flagged": ["late"]},
}  # fmt: skip


def test_classes_as_label_have_metrics_and_prices_of_their_own():
    found = UseCase.model_validate({**yaml.safe_load(FLIGHTS), **CLASSES})
    assert (found.evaluation.metric, found.gate.metric) == ("log_loss", "log_loss")
    cost = found.evaluation.cost
    assert isinstance(cost, ClassCost)
    assert cost.prices(found.label.classes) == ((0, 2, 2), (2, 0, 2), (5, 2, 0))
    written = found.model_dump(mode="json", by_alias=True)
    assert UseCase.model_validate(written) == found


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("label", {"classes": ["no", "yes"]}, "2 named; kind multiclass needs at least three"),
        ("label", {"classes": []}, "0 named; kind multiclass needs at least three"),
        ("label", {"classes": ["a", "b", "c", "b"]}, "classes: b named twice"),
        ("label", {"classes": ["a", False, "c"]}, "class False is not text; write it in quotes"),
        ("label", {"kind": "binary"}, "classes: kind binary has none"),
        (
            "evaluation",
            {"cost": {"over": 1}},
            "over, under are invalid for .* use wrong, exceptions",
        ),
        ("evaluation", {"cost": {"wrong": 0}}, "no decision has a cost"),
        ("evaluation", {"cost": {"wrong": -1}}, "greater than or equal to 0"),
        (
            "evaluation",
            {"cost": {"exceptions": {"late": {"soon": 5}}}},
            r"exceptions: class 'soon' not found \(label.classes: early, on_time, late",
        ),
        ("gate", {"metric": "roc_auc"}, "gate.metric: roc_auc is invalid for a multiclass label"),
        ("explanations", {"flagged": True}, r"name those to explain: flagged: \[late\]"),
        ("explanations", {"flagged": ["soon"]}, "explanations.flagged: class 'soon' not found"),
    ],
)
def test_what_fits_no_classes_is_named_with_its_field(part, value, said):
    changed = {part: {**CLASSES[part], **value}} if part == "label" else {part: value}
    with pytest.raises(ValidationError, match=said):
        UseCase.model_validate({**yaml.safe_load(FLIGHTS), **CLASSES, **changed})


def test_only_classes_are_explained_by_name():
    flagged = {"explanations": {"flagged": ["late"]}}
    with pytest.raises(
        ValidationError, match=r"class 'late' not found \(label.classes: none, kind bin"
    ):
        UseCase.model_validate({**yaml.safe_load(FLIGHTS), **flagged})


def test_a_missing_file_and_a_broken_one_are_named(tmp_path):
    (tmp_path / "there.yaml").write_text("a: [")
    with pytest.raises(BadConfig, match="use case not found; existing: there"):
        load_use_case("absent", tmp_path)
    with pytest.raises(BadConfig, match="not readable as YAML"):
        load_use_case("there", tmp_path)


def test_use_cases_are_frozen():
    with pytest.raises(ValueError, match="frozen"):
        load_use_case("flights").name = "x"
