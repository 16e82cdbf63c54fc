"""What is wrong with a configuration, in words: field, mistake, and what is allowed."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError


def explain(wrong: ValidationError, model: type[BaseModel]) -> str:
    """One line a mistake; an unknown field is told which ones `model` has in its place."""
    lines = []
    for error in wrong.errors():
        field = ".".join(map(str, error["loc"])) or "the whole"
        if error["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown field; allowed: {_allowed(model, error['loc'])}")
        else:
            given = "" if error["type"] == "missing" else f" (given: {error['input']!r:.80})"
            lines.append(f"  {field}: {error['msg']}{given}")
    return "\n".join(lines)


def _allowed(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """The fields that exist beside an unknown one, by the names that are written in YAML."""
    for step in place[:-1]:  # a step that is no field is a place in a list or a dict of models
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in fields:
            model = _model_in(fields[str(step)].annotation) or model
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The model inside an annotation such as dict[Name, Table] or tuple[Performance, ...]."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = getattr(annotation, "__args__", ())
    return next((model for each in inner if (model := _model_in(each))), None)
