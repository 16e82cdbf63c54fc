"""Scaffolding: plans from samples, generated files, and errors that say what to do."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from configs.errors import BadConfig
from configs.schema.costs import ClassCost
from configs.schema.loading import load_use_case
from configs.settings import ROOT
from feature_repo.visits.source import write_csv
from tasks.scaffold.plan import GivenAnswers, ScaffoldPlan
from tasks.scaffold.render import render_files
from tasks.scaffold.resolve import make_plan
from tasks.scaffold.sample import guess_column_type
from tasks.scaffold.sample_rows import encode_sample_rows
from tasks.scaffold.write_files import require_free_names, write_use_case

ORDERS = """order,customer,ordered,loaded,amount,gift,note,paid,when
1,7,2024-01-01,2024-01-01T06:00:00Z,10.5,true,x,yes,noon
2,8,2024-01-02,2024-01-02T06:00:00Z,,false,,no,night
3,7,2024-01-03,2024-01-03T06:00:00Z,7,true,y,,noon
"""
CUSTOMERS = "customer,since,region,score\n7,2019-05-01,north,1\n8,,south,2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    return tmp_path


def settled(folder: Path, **flags: object) -> ScaffoldPlan:
    """A plan of both tables, with some flags others than those that fit."""

    def proposed(flag: str, _question: str, proposal: str) -> str:
        if not proposal:
            raise BadConfig(f"{flag}: give it")
        return proposal

    usual: dict[str, object] = {
        "tables": {"orders": f"{folder}/orders.csv", "customers": f"{folder}/customers.csv"},
        "event_time": {"orders": "ordered"},
        "known_time": {"orders": "loaded"},
        "known_from": {"customers": "2024-01-01"},
        "label": "orders.paid",
    }
    return make_plan(GivenAnswers(name="payment", **(usual | flags)), proposed)


def test_what_is_not_said_comes_from_the_samples(folder):
    plan = settled(folder)
    orders, customers = plan.tables["orders"], plan.tables["customers"]
    assert (plan.subject, orders.keys, orders.join) == (orders, ("order",), ("order",))
    assert (customers.keys, customers.join) == (("customer",), ("customer",))
    assert [(i.name, i.kind) for i in orders.inputs] == [
        ("amount", "number"), ("gift", "boolean"), ("note", "text"), ("when", "text"),
    ]  # fmt: skip
    assert [i.name for i in customers.inputs] == ["region", "score"]
    assert customers.left_out == {"since": "never changes"}
    assert (plan.label.kind, plan.label.positive) == ("binary", "no")
    assert plan.spine_columns == ["order", "customer"]


def test_what_is_written_loads_and_overwrites_nothing(folder, home):
    files = render_files(settled(folder, positive="yes", after="2d"))
    with write_use_case(folder, "payment", files):
        pass
    use_case = load_use_case("payment", folder / "configs")
    assert use_case.tables["customers"].known_from is not None
    assert use_case.features.categorical == ("note", "when", "region")
    for path, content in files.items():
        if path.endswith(".py"):
            compile(content, path, "exec")
    with pytest.raises(BadConfig, match="never overwritten"):
        require_free_names(folder, "payment")
    with pytest.raises(FileExistsError), write_use_case(folder, "payment", files):
        pass
    assert all((folder / path).read_bytes() == content for path, content in files.items())


def test_the_use_case_that_ships_is_what_docs_your_own_makes(tmp_path):
    write_csv(tmp_path / "enrolments.csv")
    said = {"tables": {"enrolments": str(tmp_path / "enrolments.csv")}, "after": "364d"}
    given = GivenAnswers("visits", **said, label="enrolments.visits", schedule="weekly")
    files = render_files(make_plan(given, lambda _flag, _question, proposal: proposal))
    by_hand = files.pop("configs/visits.yaml").decode()
    assert [path for path, text in files.items() if (ROOT / path).read_bytes() != text] == []
    ships = (ROOT / "configs/visits.yaml").read_text()
    assert by_hand.partition("\ntables:")[2].partition("\nevaluation:")[0] in ships


def test_what_is_stopped_leaves_nothing(folder, home):
    files = render_files(settled(folder, positive="yes"))
    with pytest.raises(KeyboardInterrupt), write_use_case(folder, "payment", files):
        raise KeyboardInterrupt
    require_free_names(folder, "payment")
    assert not (folder / "feature_repo" / "payment").exists()
    assert [path for path in folder.rglob("*payment*") if path.is_file()] == []


def test_a_number_with_more_values_is_a_regression(folder):
    plan = settled(folder, label="orders.amount")
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


def parcel(folder: Path, label: str, **flags: object) -> ScaffoldPlan:
    tables = {"orders": f"{folder}/orders.csv"}
    return settled(folder, tables=tables, event_time={}, known_time={}, known_from={},
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


def test_the_test_keeps_what_its_predictions_look_up(folder):
    kept = encode_sample_rows(settled(folder))
    assert set(kept) == {"orders.csv", "customers.csv"}
    assert kept["customers.csv"].decode().splitlines()[0] == "customer,since,region,score"


def test_suites_are_as_wide_again_as_the_sample(folder):
    text = render_files(settled(folder))["expectations/payment.py"].decode()
    assert 'between("amount", 0, 14)' in text
    assert 'there("gift")' in text
    assert 'there("note")' not in text
    assert "some_rows(20)" in text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"tables": {}}, "--table: none is given"),
        ({"tables": {"orders": "none*.csv"}}, "no such file"),
        (
            {"tables": {"spine": "{folder}/orders.csv"}},
            "--table spine: the table's name is invalid",
        ),
        ({"keys": {"orders": "number"}}, "no column 'number'. Columns: order, customer"),
        ({"keys": {"orders": "amount"}}, "amount is missing in 1 rows. A key is"),
        ({"event_time": {"orders": "when"}}, "--event-time orders=when: the column is text, like"),
        (
            {"event_time": {"orders": "loaded"}, "known_time": {"orders": "ordered"}},
            None,  # all are announced before they happen: a schedule
        ),
        ({"known_from": {"customers": "soon"}}, "--known-from customers=soon: the date is invalid"),
        ({"known_from": {"orders": "2024-01-01"}}, "the table has no time"),
        ({"predict": "clients"}, "table not found. Tables: orders, customers"),
        ({"label": "orders.payed"}, "--label orders.payed: column not found"),
        ({"label": "orders.order"}, "the column is a key or a time"),
        ({"label": "customers.score"}, "customers has no column order"),
        ({"label": ""}, "--label: give it"),
        ({"event_time": {"orders": "none"}}, "the table has no time"),
        ({"positive": "maybe"}, "--positive maybe: no value of paid. Values: no, yes"),
        ({"after": "a week"}, "--after a week: "),
        ({"join": {"customers": "region"}}, "region must be a text or a whole number in orders"),
    ],
)
def test_a_wrong_answer_is_told_with_the_way_out(folder, flags, said):
    if "tables" in flags:
        given = {name: path.format(folder=folder) for name, path in flags["tables"].items()}
        flags = {"tables": given}
    if said is None:
        assert settled(folder, **flags).subject.known == "ordered"
        return
    with pytest.raises(BadConfig) as raised:
        settled(folder, **flags)
    assert said in str(raised.value)


def test_dates_out_of_order_are_told_with_an_example(folder):
    (folder / "orders.csv").write_text(ORDERS.replace("2024-01-03T06", "2023-01-03T06"))
    with pytest.raises(BadConfig, match=r"it is before ordered in 1 of 3 rows, like \(datetime"):
        settled(folder)


HEAD = "order,ordered,loaded,size,paid"


def test_a_sample_that_says_nothing_beside_the_label_is_refused(folder):
    (folder / "orders.csv").write_text(f"{HEAD}\n1,2024-01-01,2024-01-01,s,yes\n")
    said = r"no column can be an input of the model.* \(orders.size never changes\)"
    with pytest.raises(BadConfig, match=said):
        settled(folder, tables={"orders": f"{folder}/orders.csv"}, known_from={}, positive="yes")


def test_a_model_may_take_nothing_but_categories(folder):
    rows = "1,2024-01-01,2024-01-01,s,yes\n2,2024-01-02,2024-01-02,m,no\n"
    (folder / "orders.csv").write_text(f"{HEAD}\n{rows}")
    plan = settled(folder, tables={"orders": f"{folder}/orders.csv"}, known_from={})
    assert yaml.safe_load(render_files(plan)["configs/payment.yaml"])["features"]["numeric"] == []


def test_a_sample_without_rows_is_refused(folder):
    (folder / "orders.csv").write_text(ORDERS.splitlines()[0])
    with pytest.raises(BadConfig, match="the files have no rows"):
        settled(folder)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", None, "-2"], "integer"),
        (["1", "2.5"], "number"),
        (["007", "008"], "text"),
        (["True", "false"], "boolean"),
        (["2024-01-31", "2024-02-01 10:00:00"], "time"),
        (["31.01.2024"], "text"),
        ([None], "text"),
    ],
)
def test_the_narrowest_type_that_holds_all(values, kind):
    assert guess_column_type(pl.Series(values, dtype=pl.String)) == kind
