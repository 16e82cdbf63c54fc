"""What is wrong with a configuration, in words: field, mistake, and what is allowed."""

from __future__ import annotations

from itertools import pairwise

from pydantic import BaseModel, Tag, ValidationError


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
    for step, following in pairwise(place):
        # a step that is no field is a place in a list or a dict, or says which of several models
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in fields:
            found = _models_in(fields[str(step)].annotation)
            model = found.get(str(following), next(iter(found.values()), model))
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _models_in(annotation: object, tag: str = "") -> dict[str, type[BaseModel]]:
    """The models inside an annotation such as dict[Name, Table] or Direct | Shadow, by the tag that
    tells them apart: their `kind`, or what pydantic's Tag says.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        return {tag or str(kind.default if kind else annotation.__name__): annotation}
    tags = [each.tag for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Tag)]
    found: dict[str, type[BaseModel]] = {}
    for inner in getattr(annotation, "__args__", ()):
        found |= _models_in(inner, tags[0] if tags else "")
    return found
