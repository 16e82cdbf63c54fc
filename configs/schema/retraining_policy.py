"""Schema of replay policies: what starts a retraining, and which sections it replaces.

name: monthly
title: Retrained on the first of each month, whatever the numbers say
schedule: "0 5 1 * *"      # UTC; `own`: the use case's; left out: none
alerts: [performance]      # which of drift and performance; `own`: as the use case has it
gate: {rule: non_inferiority, margin: 0.01}    # also rollout, bake, retrain, monitor
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from configs.errors import BadConfig
from configs.schema.base import Cron, Name, SchemaModel
from configs.schema.loading import explain_invalid, read_yaml
from configs.schema.use_case import UseCase
from configs.settings import settings

Section = dict[str, Any]
_SECTIONS = ("gate", "rollout", "bake", "retrain", "monitor")


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

    def schedule_for(self, use_case: UseCase) -> str | None:
        """Return the cron line (UTC) of its trainings; None without a schedule."""
        return use_case.schedules.train if self.schedule == "own" else self.schedule


def load_policies(given: Sequence[str]) -> list[RetrainingPolicy]:
    """Return the policies of these names or files, without duplicates, in their order.

    Names refer to the settings' folder. Raises BadConfig if one cannot be read, or if two have the
    same name.

    """
    found: dict[str, RetrainingPolicy] = {}
    for each in given:
        policy = load_policy(each)
        if found.setdefault(policy.name, policy) != policy:
            raise BadConfig(f"{each}: there is another policy of the name {policy.name!r}")
    return list(found.values())


def load_policy(given: str) -> RetrainingPolicy:
    """Read one policy: a name like `monthly`, or the path of a YAML file."""
    folder = settings().policies
    path = Path(given) if given.endswith((".yaml", ".yml")) else folder / f"{given}.yaml"
    there = ", ".join(sorted(each.stem for each in folder.glob("[!.]*.yaml"))) or "none"
    content = read_yaml(path, f"no such policy; in {folder} there are: {there}")
    try:
        return RetrainingPolicy.model_validate(content)
    except ValidationError as wrong:
        raise BadConfig(
            f"{path} is invalid:\n" + explain_invalid(wrong, RetrainingPolicy)
        ) from wrong


def apply_policy(policy: RetrainingPolicy, use_case: UseCase) -> UseCase:
    """Return the use case with the policy's changes.

    A replay has no approver, so a model that passes the gate needs no approval. Raises BadConfig if
    a replaced section is invalid.

    """
    content = use_case.model_dump(mode="json", by_alias=True)
    for name in _SECTIONS:
        replaced = getattr(policy, name)
        whole = name == "rollout" and replaced
        content[name] = replaced if whole else _merged(content[name], replaced)
    content["approval"] = "automatic"
    _ask_for(policy, content["monitor"], use_case)
    try:
        return UseCase.model_validate(content)
    except ValidationError as wrong:
        said = explain_invalid(wrong, UseCase)
        raise BadConfig(f"policy {policy.name} on {use_case.name} is invalid:\n{said}") from wrong


def _ask_for(policy: RetrainingPolicy, monitor: Section, use_case: UseCase) -> None:
    """Set the policy's alert kinds to severity page and the others to ticket."""
    if policy.alerts == "own":
        return
    if "performance" in policy.alerts and not monitor["performance"]:
        raise BadConfig(
            f"policy {policy.name}: alerts names performance, but {use_case.name}.yaml has no "
            "rule in monitor.performance"
        )
    for kind, rules in (("drift", [monitor["drift"]]), ("performance", monitor["performance"])):
        for rule in rules:
            rule["severity"] = "page" if kind in policy.alerts else "ticket"


def _merged(there: Any, replaced: Any) -> Any:  # noqa: ANN401
    if not (isinstance(there, dict) and isinstance(replaced, dict)):
        return replaced
    return there | {name: _merged(there.get(name), value) for name, value in replaced.items()}
