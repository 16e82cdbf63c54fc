"""Schema of replay policies: what starts a retraining, and which sections it replaces.

name: monthly
title: Retrained on the first of each month, whatever the numbers say
schedule: "0 5 1 * *"      # UTC; `own`: the use case's; left out: none
alerts: [performance]      # which of drift and performance; `own`: as the use case has it
gate: {rule: non_inferiority, margin: 0.01}    # also rollout, bake, retrain, monitor, split
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from configs.errors import BadConfig
from configs.schema.base import Cron, Name, SchemaModel
from configs.schema.loading import explain_invalid
from configs.schema.use_case import UseCase
from configs.schema.yaml_file import read_yaml
from configs.settings import settings

Section = dict[str, Any]
_SECTIONS = ("gate", "rollout", "bake", "retrain", "monitor", "split")


class RetrainingPolicy(SchemaModel):
    """What starts a retraining, and the sections of the use case that it replaces in part.

    A rollout is replaced as a whole.
    """

    name: Name
    title: str
    schedule: Cron | Literal["own"] | None = None
    alerts: tuple[Literal["drift", "performance"], ...] | Literal["own"] = ()
    gate: Section = Field({})
    rollout: Section = Field({})
    bake: Section = Field({})
    retrain: Section = Field({})
    monitor: Section = Field({})
    split: Section = Field({})

    def schedule_for(self, use_case: UseCase) -> str | None:
        """Return the cron line (UTC) of its trainings; None without a schedule."""
        return use_case.schedules.train if self.schedule == "own" else self.schedule


def load_policies(names_or_files: Sequence[str]) -> list[RetrainingPolicy]:
    """Return the policies of these names or files, without duplicates, in their order.

    Names refer to the settings' folder. Raises BadConfig if one cannot be read, or if two have the
    same name.
    """
    policies: dict[str, RetrainingPolicy] = {}
    for each in names_or_files:
        policy = load_policy(each)
        if policies.setdefault(policy.name, policy) != policy:
            raise BadConfig(f"{each}: policy {policy.name!r} already exists; rename one of them")
    return list(policies.values())


def load_policy(name_or_file: str) -> RetrainingPolicy:
    """Read one policy: a name like `monthly`, or the path of a YAML file."""
    folder = settings().policies
    is_file = name_or_file.endswith((".yaml", ".yml"))
    path = Path(name_or_file) if is_file else folder / f"{name_or_file}.yaml"
    names = ", ".join(sorted(each.stem for each in folder.glob("[!.]*.yaml"))) or "none"
    content = read_yaml(path, f"policy not found; existing in {folder}: {names}")
    try:
        return RetrainingPolicy.model_validate(content)
    except ValidationError as error:
        raise BadConfig(
            f"{path} is invalid:\n" + explain_invalid(error, RetrainingPolicy)
        ) from error


def apply_policy(policy: RetrainingPolicy, use_case: UseCase) -> UseCase:
    """Return the use case with the policy's changes.

    A replay has no approver, so a model that passes the gate needs no approval. Raises BadConfig if
    a replaced section is invalid.
    """
    content = use_case.model_dump(mode="json", by_alias=True)
    for name in _SECTIONS:
        replaced = getattr(policy, name)
        whole = name == "rollout" and replaced
        content[name] = replaced if whole else _merge(content[name], replaced)
    content["approval"] = "automatic"
    _ask_for(policy, content["monitor"], use_case)
    try:
        return UseCase.model_validate(content)
    except ValidationError as error:
        details = explain_invalid(error, UseCase)
        raise BadConfig(
            f"policy {policy.name} on {use_case.name} is invalid:\n{details}"
        ) from error


def _ask_for(policy: RetrainingPolicy, monitor: Section, use_case: UseCase) -> None:
    """Set the policy's alert kinds to severity page and the others to ticket."""
    if policy.alerts == "own":
        return
    if "performance" in policy.alerts and not monitor["performance"]:
        raise BadConfig(
            f"policy {policy.name}: alerts has performance, but {use_case.name}.yaml has no rule "
            "in monitor.performance; add one, or remove performance"
        )
    for kind, rules in (("drift", [monitor["drift"]]), ("performance", monitor["performance"])):
        for rule in rules:
            rule["severity"] = "page" if kind in policy.alerts else "ticket"


def _merge(section: Any, replaced: Any) -> Any:  # noqa: ANN401
    if not (isinstance(section, dict) and isinstance(replaced, dict)):
        return replaced
    return section | {name: _merge(section.get(name), value) for name, value in replaced.items()}
