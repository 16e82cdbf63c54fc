"""The document prefect.yaml: every deployment of every use case, made from configs/*.yaml.

It is written by `mainspring deployments --write` and never edited by hand, so that adding a use
case is adding its YAML file. It holds no path of a machine: a worker says by MAINSPRING_HOME
where the code is, and by its PATH which `python` runs a flow.

Every deployment runs one at a time and the next one waits (ENQUEUE). CANCEL_NEW would lose work:
a run whose process and worker died together keeps its slot until it is found out, and what comes
in the meantime would be cancelled for minutes, an alert's only retraining among it.

A use case whose YAML does not hold keeps the deployments that the file has of it: the others change
beside it, and its own runs fail and say why, until it is mended or its YAML is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from configs import LIBRARIES
from configs.errors import BadConfig
from configs.schema.loading import all_use_cases, read_yaml
from configs.schema.use_case import UseCase
from configs.settings import settings

WORK_POOL = "mainspring"
EVERYWHERE = "Mainspring:"  # begins the names of automations of no use case (theirs are lowercase)
BURST = 60  # seconds in which the same event starts nothing more; reconcile sends again after it
_HEADER = "# Made from the use cases' YAML files by `mainspring deployments --write`: edit those.\n"
_RUNS = {
    "name": WORK_POOL,
    "job_variables": {
        # Named, or the worker looks through the workspace first: twice the time to start a run.
        "command": "python -m infra.warm_start.client",
        "env": {
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # what the zombie automation listens to
            **LIBRARIES,
        },
    },
}
_ONE_AT_A_TIME = {"limit": 1, "collision_strategy": "ENQUEUE"}
_WORKING_DIRECTORY = "prefect.deployments.steps.set_working_directory"


def document() -> dict[str, Any]:
    """What prefect.yaml says, for the use cases of the settings.

    BadConfig if one of them does not hold, and the file of before cannot be read.
    """
    found = all_use_cases()
    those = [d for use_case in found.sound for d in _of(use_case)] + list(_kept(found.broken))
    return {
        "name": "mainspring",
        "definitions": {"work_pool": _RUNS, "one_at_a_time": _ONE_AT_A_TIME},
        "pull": [{_WORKING_DIRECTORY: {"directory": "{{ $MAINSPRING_HOME }}"}}],
        "deployments": [*sorted(those, key=lambda each: str(each["name"])), _failed_automation()],
    }


def text() -> str:
    """The document as YAML, word for word as it is on disk."""
    return _HEADER + yaml.dump(
        document(), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )


def path() -> Path:
    """Where prefect.yaml is: beside the folder of the use cases."""
    return settings().use_cases.resolve().parent / "prefect.yaml"


def write() -> None:
    """Write prefect.yaml, in one step: what a broken use case keeps is read from it."""
    unfinished = path().with_suffix(".new")
    unfinished.write_text(text())
    unfinished.replace(path())


def is_current() -> bool:
    """Whether prefect.yaml is what the use cases' YAML files ask for."""
    return path().exists() and path().read_text() == text()


def _kept(broken: Collection[str]) -> Iterator[dict[str, Any]]:
    """The deployments that the file has of use cases that do not hold now."""
    if not (broken and path().exists()):
        return
    before = read_yaml(path(), "it was there a moment ago")
    if not isinstance(before, dict) or "deployments" not in before:
        raise BadConfig(f"{path()}: lists no deployments; take it out of git again, or remove it")
    for each in before["deployments"]:
        if each.get("parameters", {}).get("use_case") in broken:
            yield each | {"concurrency_limit": _ONE_AT_A_TIME, "work_pool": _RUNS}


def _of(use_case: UseCase) -> list[dict[str, Any]]:
    """The deployments of one use case, each named after it: score/<use case>, and so on."""
    when = use_case.schedules
    alert = _trigger(use_case, "alert", "retrain", alert="{{ event.payload.alert }}")
    candidate = _trigger(use_case, "candidate", "promote", version="{{ event.payload.version }}")
    undo = _trigger(use_case, "rollback", "rollback", promotion="{{ event.payload.promotion }}")
    return [
        _deployment("ingest", use_case, schedules=_cron(when.ingest)),
        _deployment("materialize", use_case, schedules=_cron(when.materialize)),
        _deployment("score", use_case, schedules=_cron(when.score)),
        _deployment("monitor", use_case, schedules=_cron(when.monitor)),
        _deployment("train", use_case, schedules=_cron(when.train)),
        _deployment("retrain", use_case, triggers=[alert]),
        _deployment("promote", use_case, triggers=[candidate]),
        _deployment("rollback", use_case, triggers=[undo]),
        _deployment("watch", use_case, schedules=_cron(when.watch)),
        _deployment("reconcile", use_case, schedules=_cron(when.reconcile)),
    ]


def _deployment(flow: str, use_case: UseCase, **starts: object) -> dict[str, Any]:
    return {
        "name": use_case.name,
        "entrypoint": f"flows/{flow}.py:{flow}",
        "parameters": {"use_case": use_case.name},
        "tags": ["mainspring", use_case.name],
        **starts,
        "concurrency_limit": _ONE_AT_A_TIME,
        "work_pool": _RUNS,
    }


def _failed_automation() -> dict[str, Any]:
    """The run that tells of a use case's automation that could not act.

    Not of the automations of no use case: it would tell of its own failure for ever, and the one
    for zombies fails, for nothing, on runs so short that their end is heard before their heartbeat.
    """
    name = f"{EVERYWHERE} a failed automation is told of"
    failed = {
        "name": name,
        "expect": ["prefect.automation.action.failed"],
        "match": {
            "prefect.resource.id": "prefect.automation.*",
            "prefect.resource.name": f"!{EVERYWHERE} *",
        },
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": BURST,
        "parameters": {
            "automation": "{{ event.resource.name }}",
            "reason": "{{ event.payload.reason }}",
        },
    }
    return {
        "name": "mainspring",
        "entrypoint": "flows/report_failed_automation.py:report_failed_automation",
        "tags": ["mainspring"],
        "triggers": [failed],
        "work_pool": _RUNS,
    }


def _trigger(use_case: UseCase, what: str, flow: str, **parameters: str) -> dict[str, Any]:
    """One run for each thing that is asked (the event's label of its own name), not each event."""
    event = f"mainspring.{what}"
    return {
        "name": f"{use_case.name}: {what} starts {flow}",
        "expect": [event],
        "match": {"prefect.resource.id": f"mainspring.model.{use_case.name}"},
        "for_each": ["prefect.resource.id", event],
        "posture": "Reactive",
        "threshold": 1,
        "within": BURST,
        "parameters": {**parameters, "as_of": "{{ event.payload.as_of }}"},
    }


def _cron(line: str) -> list[dict[str, Any]]:
    return [{"cron": line, "timezone": "UTC", "active": True}]


class _Dumper(yaml.SafeDumper):
    """Writes what every deployment shares once, under a name."""

    def generate_anchor(self, node: yaml.Node) -> str:
        """The name under `definitions` instead of id001."""
        return "work_pool" if _has(node, "job_variables") else "one_at_a_time"


def _has(node: yaml.Node, key: str) -> bool:
    return any(name.value == key for name, _ in node.value)
