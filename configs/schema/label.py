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
    classes: tuple[ClassName, ...] = Field((), max_length=50, description="for multiclass only")
    known_time: str = "label_known_time"
    min_coverage: Share = Field(
        0.8, description="share of labelled rows that makes a window mature"
    )

    @field_validator("classes", mode="before")
    @classmethod
    def _names_are_text(cls, names: object) -> object:
        """Require class names to be texts: YAML reads yes, no, 1 and 2020-01-01 as other types."""
        for name in names if isinstance(names, list) else ():
            if not isinstance(name, str):
                raise ValueError(
                    f"class {name!r} is not text; write it in quotes, as the module returns it"
                )
        return names

    @model_validator(mode="after")
    def _classes_fit_the_kind(self) -> Self:
        number, several = len(self.classes), self.kind == "multiclass"
        if number and not several:
            raise ValueError(
                f"classes: kind {self.kind} has none; remove them, or set kind to multiclass"
            )
        if several and number < 3:
            raise ValueError(
                f"classes: {number} named; kind multiclass needs at least three, like classes: "
                "[early, on_time, late]; for two use kind binary"
            )
        duplicates = sorted({name for name in self.classes if self.classes.count(name) > 1})
        if duplicates:
            raise ValueError(f"classes: {', '.join(duplicates)} named twice; name each once")
        return self
