"""The label of a new use case: its problem type, classes and event."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.errors import BadConfig
from configs.schema.costs import ClassCost
from configs.schema.loading import load_use_case
from tasks.evaluation.problem_types import PROBLEM_TYPES
from tasks.scaffold.plan import ScaffoldPlan
from tasks.scaffold.render import render_files
from tasks.scaffold.write_files import write_use_case
from tests.support.order_samples import plan_orders


def test_a_number_with_more_values_is_a_regression(order_samples):
    plan = plan_orders(order_samples, label="orders.amount")
    assert (plan.label.kind, plan.label.positive) == ("regression", "")
    written = yaml.safe_load(render_files(plan)["configs/payment.yaml"])
    assert written["label"] == {"column": "amount", "kind": "regression"}
    assert written["evaluation"]["cost"] == {"over": 1, "under": 1}


SIZES = ["small", "medium", "large", "small", "huge"]
STARS = ["4", "10", "1", "2", "10"]


@pytest.fixture
def parcels(tmp_path: Path) -> Path:
    """Some texts, some whole numbers and two texts to be a label."""
    rows = {"parcel": range(5), "sent": [f"2024-01-0{i + 1}" for i in range(5)],
            "weight": [1.5, 2.5, 3, 4, 5], "size": SIZES, "stars": STARS,
            "paid": ["yes", "no", "yes", "yes", "yes"]}  # fmt: skip
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    return tmp_path


def parcel(order_samples: Path, label: str, **flags: object) -> ScaffoldPlan:
    tables = {"orders": f"{order_samples}/orders.csv"}
    return plan_orders(order_samples, tables=tables, event_time={}, known_time={}, known_from={},
                   label=f"orders.{label}", **flags)  # fmt: skip


def test_some_texts_are_proposed_as_classes(parcels, home):
    plan = parcel(parcels, "size")
    assert (plan.label.kind, plan.label.positive) == ("multiclass", "")
    assert plan.label.classes == ("huge", "large", "medium", "small")
    files = render_files(plan)
    with write_use_case(parcels, "payment", files):
        use_case = load_use_case("payment", parcels / "configs")
    assert use_case.label.classes == plan.label.classes
    assert use_case.evaluation.cost == ClassCost(wrong=1)
    assert b'label = pl.col("size").cast(pl.String)' in files["feature_repo/payment/transforms.py"]


def test_whole_numbers_are_classes_if_somebody_says_so(parcels):
    assert parcel(parcels, "stars").label.kind == "regression"
    plan = parcel(parcels, "stars", kind="multiclass")
    assert plan.label.classes == ("1", "2", "4", "10")
    use_case = yaml.safe_load(render_files(plan)["configs/payment.yaml"])
    assert use_case["label"]["classes"] == ["1", "2", "4", "10"], "text, not numbers"


def test_one_of_some_texts_may_be_the_event(parcels):
    assert parcel(parcels, "size", positive="huge").label.kind == "binary"
    with pytest.raises(BadConfig, match="--positive: give it"):
        parcel(parcels, "size", kind="binary")


@pytest.mark.parametrize(
    ("label", "positive", "value", "labels", "others"),
    [
        ("paid", "no", ["no", "yes", "Pending", "NO ", "", None], [1, 0, *[None] * 4],
         {"": 1, "NO ": 1, "Pending": 1}),
        ("size", "huge", ["huge", "small", "tiny", None], [1, 0, None, None], {"tiny": 1}),
        ("stars", "10", [10, 4, 3, -1, None], [1, 0, None, None, None], {"-1": 1, "3": 1}),
    ],
)  # fmt: skip
def test_a_later_value_of_a_text_label_is_none_by_name(
    parcels, label, positive, value, labels, others
):
    files = render_files(
        parcel(parcels, label, positive=positive, after="3d", keys={"orders": "parcel"})
    )
    module: dict[str, object] = {}
    exec(files["feature_repo/payment/transforms.py"], module)
    number, times = len(value), pl.datetime(2024, 1, 1, time_zone="UTC")
    raw = pl.DataFrame({"parcel": range(number), label: value}).with_columns(sent=times)
    window = (datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    found = module["labels"]({"orders": raw.lazy()}, *window).collect().sort("parcel")[label]
    kind = PROBLEM_TYPES["binary"]()
    assert kind.encode_labels(found).to_list() == labels
    assert kind.count_other_values(found) == others


@pytest.mark.parametrize(
    ("label", "kind", "said"),
    [
        ("size", "regression", "--kind regression: size is text, like ['small']"),
        (
            "paid",
            "multiclass",
            "--kind multiclass: paid is text with 2 values. Multiclass needs texts",
        ),
        ("weight", "multiclass", "--kind multiclass: weight is number with 5 values"),
    ],
)
def test_a_kind_that_does_not_fit_is_told_with_the_way_out(parcels, label, kind, said):
    with pytest.raises(BadConfig) as raised:
        parcel(parcels, label, kind=kind)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("bound", "beyond", "events"),
    [
        (">3", ("gt", 3.0), "2 of 5"), (">=3", ("ge", 3.0), "3 of 5"),
        ("< 2", ("lt", 2.0), "1 of 5"), ("<=1.5", ("le", 1.5), "1 of 5"),
        (">2.25", ("gt", 2.25), "4 of 5"),
    ],
)  # fmt: skip
def test_a_number_beyond_a_bound_is_an_event(parcels, bound, beyond, events):
    plan = parcel(parcels, "weight", positive=bound)
    assert (plan.label.kind, plan.label.beyond, plan.label.negatives) == ("binary", beyond, ())
    written = render_files(plan)["feature_repo/payment/transforms.py"].decode()
    compared = f'label = pl.col("weight").{beyond[0]}({beyond[1]}).cast(pl.Int8)'
    assert compared in written
    assert f"# {events} rows of the sample are events" in written


@pytest.mark.parametrize(("bound", "rows"), [(">5", 0), (">=1.5", 5), ("<0", 0)])
def test_a_bound_without_both_kinds_of_rows_is_named(parcels, bound, rows):
    with pytest.raises(BadConfig, match=rf"--positive {bound}: {rows} of 5 rows are events"):
        parcel(parcels, "weight", positive=bound)


def test_a_bound_of_texts_is_a_value_like_others(parcels):
    with pytest.raises(BadConfig, match="no value of size"):
        parcel(parcels, "size", positive=">3")
