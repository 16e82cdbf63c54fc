"""Samples of orders and customers, and the plan of a use case made of them."""

from pathlib import Path

from configs.errors import BadConfig
from tasks.scaffold.plan import GivenAnswers, ScaffoldPlan
from tasks.scaffold.resolution.resolve import make_plan

ORDERS = """order,customer,ordered,loaded,amount,gift,note,paid,when
1,7,2024-01-01,2024-01-01T06:00:00Z,10.5,true,x,yes,noon
2,8,2024-01-02,2024-01-02T06:00:00Z,,false,,no,night
3,7,2024-01-03,2024-01-03T06:00:00Z,7,true,y,,noon
"""
CUSTOMERS = "customer,since,region,score\n7,2019-05-01,north,1\n8,,south,2\n"


def plan_orders(order_samples: Path, **flags: object) -> ScaffoldPlan:
    """A plan of both tables, with some flags others than those that fit."""

    def proposed(flag: str, _question: str, proposal: str) -> str:
        if not proposal:
            raise BadConfig(f"{flag}: give it")
        return proposal

    usual: dict[str, object] = {
        "tables": {
            "orders": f"{order_samples}/orders.csv",
            "customers": f"{order_samples}/customers.csv",
        },
        "event_time": {"orders": "ordered"},
        "known_time": {"orders": "loaded"},
        "known_from": {"customers": "2024-01-01"},
        "label": "orders.paid",
    }
    return make_plan(GivenAnswers(name="payment", **(usual | flags)), proposed)
