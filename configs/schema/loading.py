"""Loading and validation of use case files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pydantic import BaseModel, Tag, ValidationError

from configs.errors import BadConfig
from configs.schema.base import NAME_PATTERN
from configs.schema.use_case import UseCase
from configs.schema.yaml_file import read_yaml
from configs.settings import settings

_MOST_ERRORS = 20


def explain_invalid(invalid: ValidationError, model: type[BaseModel]) -> str:
    """Return one line for each error; for an unknown field it lists the fields of `model`."""
    lines = []
    for error in invalid.errors()[:_MOST_ERRORS]:
        field = ".".join(map(str, error["loc"]))[:200] or "the whole"
        if error["type"] == "extra_forbidden":
            lines.append(f"  {field}: unknown field; allowed: {_allowed(model, error['loc'])}")
        else:
            value = "" if error["type"] == "missing" else f" (value: {error['input']!r:.80})"
            lines.append(f"  {field}: {error['msg']}{value}")
    if (hidden := invalid.error_count() - _MOST_ERRORS) > 0:
        lines.append(f"  and {hidden} more")
    return "\n".join(lines)


def _allowed(model: type[BaseModel], place: tuple[int | str, ...]) -> str:
    """Return the existing fields beside an unknown one, by their names in YAML."""
    for step, following in pairwise(place):
        # a step that is not a field is a list or dict position, or the tag of one of several models
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if step in fields:
            models = _models_in(fields[str(step)].annotation)
            model = models.get(str(following), next(iter(models.values()), model))
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _models_in(annotation: object, tag: str = "") -> dict[str, type[BaseModel]]:
    """Return the models inside an annotation such as dict[Name, Table], by their tag.

    The tag is their `kind`, or pydantic's Tag.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        return {tag or str(kind.default if kind else annotation.__name__): annotation}
    tags = [each.tag for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Tag)]
    models: dict[str, type[BaseModel]] = {}
    for inner in getattr(annotation, "__args__", ()):
        models |= _models_in(inner, tags[0] if tags else "")
    return models


def load_use_case(name: str, folder: Path | None = None) -> UseCase:
    """Read `<name>.yaml` in the folder of the settings; raise BadConfig if it is invalid."""
    names = ", ".join(use_case_names(folder)) or "none"
    if not re.fullmatch(NAME_PATTERN, name):  # a flow's parameter may be any text, also a path
        raise BadConfig(f"use case {name!r:.60} not found; existing: {names}")
    path = (folder or settings().use_cases) / f"{name}.yaml"
    content = read_yaml(path, f"use case not found; existing: {names}")
    try:
        use_case = UseCase.model_validate(content)
    except ValidationError as error:
        raise BadConfig(f"{path} is invalid:\n" + explain_invalid(error, UseCase)) from error
    if use_case.name != name:
        raise BadConfig(
            f"{path}: name {use_case.name!r} differs from the file's; set it to {name!r}"
        )
    return use_case


def use_case_names(folder: Path | None = None) -> list[str]:
    """Return the names of all YAML files, sorted."""
    paths = (folder or settings().use_cases).glob("[!.]*.yaml")  # editors keep hidden files there
    return sorted(path.stem for path in paths)


@dataclass(frozen=True)
class UseCases:
    """The valid use cases, sorted by name, and the error of each invalid one, by name."""

    sound: tuple[UseCase, ...]
    broken: dict[str, BadConfig]

    def require_all(self, meanwhile: str) -> None:
        """Raise BadConfig with all errors of the invalid use cases, and the text `meanwhile`."""
        if self.broken:
            raise BadConfig("\n".join([*map(str, self.broken.values()), meanwhile]))


def all_use_cases() -> UseCases:
    """Read every YAML file of the settings' folder."""
    sound, broken = [], {}
    for name in use_case_names():
        try:
            sound.append(load_use_case(name))
        except BadConfig as error:
            broken[name] = error
    return UseCases(tuple(sound), broken)
