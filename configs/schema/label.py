"""Schema of the label."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from configs.schema.base import LabelKind, Name, SchemaModel, Share

ClassName = Annotated[str, StringConstraints(min_length=1, max_length=60)]


class Label(SchemaModel):
    """The label: its column and problem type. Rows without a label (yet) are missing.

    binary: 1 for the event, 0 for none. regression: a number. multiclass: the name of one of
    `classes`, which are in reading order.

    """

    function: Name = "labels"
    column: Name
    kind: LabelKind = "binary"
    classes: tuple[ClassName, ...] = Field((), max_length=50, description="of multiclass only")
    known_time: str = "label_known_time"
    min_coverage: Share = Field(0.8, description="labelled share that makes a window mature")

    @field_validator("classes", mode="before")
    @classmethod
    def _names_are_text(cls, given: object) -> object:
        """Require class names to be texts: YAML reads yes, no, 1 and 2020-01-01 as other types."""
        for name in given if isinstance(given, list) else ():
            if not isinstance(name, str):
                raise ValueError(f"{name!r} is no text; write it in quotes, as the module gives it")
        return given

    @model_validator(mode="after")
    def _classes_fit_the_kind(self) -> Self:
        number, several = len(self.classes), self.kind == "multiclass"
        if number and not several:
            raise ValueError(f"classes: only kind multiclass has them, not {self.kind}")
        if several and number < 3:
            raise ValueError(
                f"classes: {number} named; kind multiclass wants three at least, like classes: "
                "[early, on_time, late]; two are an event or none, kind binary"
            )
        twice = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if twice:
            raise ValueError(f"classes: {', '.join(twice)} named twice")
        return self
