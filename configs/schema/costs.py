"""Prices of decisions for each problem type, as written in YAML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Discriminator, Field, Tag, model_validator

from configs.schema.base import LabelKind, SchemaModel

Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Prices = tuple[tuple[float, ...], ...]
"""A row a true class: what each class costs that is decided in its place."""


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
            raise ValueError("over and under are both 0: then no error costs anything")
        return self


class ClassCost(SchemaModel):
    """Business cost of one row of a class, in any unit; correct decisions may cost too."""

    wrong: Price = Field(1.0, description="a wrong class, where exceptions say nothing else")
    exceptions: dict[str, dict[str, Price]] = Field(
        {}, description="true class: {decided class: its cost}"
    )

    @model_validator(mode="after")
    def _something_costs(self) -> Self:
        if not self.wrong + sum(price for of in self.exceptions.values() for price in of.values()):
            raise ValueError("wrong is 0 and no exception is more: then no decision costs anything")
        return self

    @property
    def named(self) -> list[str]:
        """Return all classes that the exceptions name, in the YAML's order."""
        exceptions = self.exceptions.items()
        return list(dict.fromkeys(name for true, of in exceptions for name in (true, *of)))

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


def _kind_of_cost(given: object) -> LabelKind:
    """Return the problem type of a cost by its fields."""
    for kind, prices in COSTS.items():
        by_name = isinstance(given, dict) and prices.model_fields.keys() & given.keys()
        if by_name or isinstance(given, prices):
            return kind
    return "binary"


AnyCost = Annotated[
    Annotated[Cost, Tag("binary")]
    | Annotated[ErrorCost, Tag("regression")]
    | Annotated[ClassCost, Tag("multiclass")],
    Discriminator(_kind_of_cost),
]
