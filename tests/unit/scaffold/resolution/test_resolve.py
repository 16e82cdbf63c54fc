"""Scaffolding: plans from samples, generated files, and errors that say what to do."""

import pytest
import yaml

from configs.errors import BadConfig
from tasks.scaffold.render import render_files
from tests.support.order_samples import ORDERS, plan_orders


def test_what_is_not_said_comes_from_the_samples(order_samples):
    plan = plan_orders(order_samples)
    orders, customers = plan.tables["orders"], plan.tables["customers"]
    assert (plan.subject, orders.keys, orders.join) == (orders, ("order",), ("order",))
    assert (customers.keys, customers.join) == (("customer",), ("customer",))
    assert [(i.name, i.kind) for i in orders.inputs] == [
        ("amount", "number"), ("gift", "boolean"), ("note", "text"), ("when", "text"),
    ]  # fmt: skip
    assert [i.name for i in customers.inputs] == ["region", "data_score"]
    assert customers.left_out == {"since": "never changes"}
    assert (plan.label.kind, plan.label.positive) == ("binary", "no")
    assert plan.spine_columns == ["order", "customer"]


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
def test_a_wrong_answer_is_told_with_the_way_out(order_samples, flags, said):
    if "tables" in flags:
        given = {name: path.format(folder=order_samples) for name, path in flags["tables"].items()}
        flags = {"tables": given}
    if said is None:
        assert plan_orders(order_samples, **flags).subject.known == "ordered"
        return
    with pytest.raises(BadConfig) as raised:
        plan_orders(order_samples, **flags)
    assert said in str(raised.value)


def test_dates_out_of_order_are_told_with_an_example(order_samples):
    (order_samples / "orders.csv").write_text(ORDERS.replace("2024-01-03T06", "2023-01-03T06"))
    with pytest.raises(BadConfig, match=r"it is before ordered in 1 of 3 rows, like \(datetime"):
        plan_orders(order_samples)


HEAD = "order,ordered,loaded,size,paid"


def test_a_sample_that_says_nothing_beside_the_label_is_refused(order_samples):
    (order_samples / "orders.csv").write_text(f"{HEAD}\n1,2024-01-01,2024-01-01,s,yes\n")
    said = r"no column can be an input of the model.* \(orders.size never changes\)"
    with pytest.raises(BadConfig, match=said):
        plan_orders(
            order_samples,
            tables={"orders": f"{order_samples}/orders.csv"},
            known_from={},
            positive="yes",
        )


def test_a_model_may_take_nothing_but_categories(order_samples):
    rows = "1,2024-01-01,2024-01-01,s,yes\n2,2024-01-02,2024-01-02,m,no\n"
    (order_samples / "orders.csv").write_text(f"{HEAD}\n{rows}")
    plan = plan_orders(
        order_samples, tables={"orders": f"{order_samples}/orders.csv"}, known_from={}
    )
    assert yaml.safe_load(render_files(plan)["configs/payment.yaml"])["features"]["numeric"] == []


def test_a_sample_without_rows_is_refused(order_samples):
    (order_samples / "orders.csv").write_text(ORDERS.splitlines()[0])
    with pytest.raises(BadConfig, match="the files have no rows"):
        plan_orders(order_samples)
