"""Prices of decisions for each problem type, as written in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from configs.schema.base import LabelKind, SchemaModel

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Prices = tuple[tuple[float, ...], ...]
"""A row for each true class: the price of each class that is decided."""


class Cost(SchemaModel):
    """Business cost of one row of an event, in any unit; correct decisions may cost too."""

    false_positive: float = Field(ge=0)
    false_negative: float = Field(ge=0)
    true_positive: float = 0.0
    true_negative: float = 0.0


class ErrorCost(SchemaModel):
    """Business cost of each unit of a regression error, in any unit."""

    over: float = Field(1.0, ge=0, description="a unit predicted too much")
    under: float = Field(1.0, ge=0, description="a unit predicted too little")

    @model_validator(mode="after")
    def _errors_cost(self) -> Self:
        if not self.over + self.under:
            raise ValueError(
                "over and under are both 0, so no error has a cost; set one of them above 0"
            )
        return self


class ClassCost(SchemaModel):
    """Business cost of one row of a class, in any unit; correct decisions may cost too."""

    wrong: Price = Field(1.0, description="a wrong class without an exception")
    exceptions: dict[str, dict[str, Price]] = Field(
        {}, description="true class: {decided class: its cost}"
    )

    @model_validator(mode="after")
    def _something_costs(self) -> Self:
        if not self.wrong + sum(
            price for row in self.exceptions.values() for price in row.values()
        ):
            raise ValueError(
                "wrong and all exceptions are 0, so no decision has a cost; set one of them above 0"
            )
        return self

    @property
    def named(self) -> list[str]:
        """Return all classes that the exceptions name, in the YAML's order."""
        exceptions = self.exceptions.items()
        return list(dict.fromkeys(name for true, row in exceptions for name in (true, *row)))

    def prices(self, classes: Sequence[str]) -> Prices:
        """Return the price of each decision for each true class, in the order of `classes`."""
        return tuple(
            tuple(
                self.exceptions.get(true, {}).get(decided, 0.0 if decided == true else self.wrong)
                for decided in classes
            )
            for true in classes
        )


COSTS: dict[LabelKind, type[Cost] | type[ErrorCost] | type[ClassCost]] = {
    "binary": Cost,
    "regression": ErrorCost,
    "multiclass": ClassCost,
}


def _find_cost_kind(value: object) -> LabelKind:
    """Return the problem type of a cost by its fields."""
    for kind, prices in COSTS.items():
        by_name = isinstance(value, dict) and prices.model_fields.keys() & value.keys()
        if by_name or isinstance(value, prices):
            return kind
    return "binary"


AnyCost = Annotated[
    Annotated[Cost, Tag("binary")]
    | Annotated[ErrorCost, Tag("regression")]
    | Annotated[ClassCost, Tag("multiclass")],
    Discriminator(_find_cost_kind),
]
