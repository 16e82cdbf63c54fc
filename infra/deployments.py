"""Deployments of all use cases: prefect.yaml, generated from configs/*.yaml.

`mainspring deployments --write` writes the file; it is never edited by hand. So a new use case
needs only its YAML file. The file holds no path of a machine: on a worker, MAINSPRING_HOME names
the folder of the code, and PATH leads to the `python` that runs a flow.

A deployment is named <use case>-<flow>, and the runs of a use case have a work queue of their own.

Every deployment runs once at a time, and the next run waits (ENQUEUE). CANCEL_NEW would lose work:
if process and worker die together, their run keeps its slot for minutes. Runs that start meanwhile
would be cancelled, and with them an alert's only retraining.

A use case whose YAML is invalid keeps the deployments that the file has for it. The other use cases
can change meanwhile; its own runs fail with the reason until its YAML is fixed or removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import yaml

from configs.errors import BadConfig
from configs.schema.loading import all_use_cases
from configs.schema.use_case import UseCase
from configs.schema.yaml_file import read_yaml
from configs.settings import settings
from infra.storage.atomic import write_atomically

WORK_POOL = "mainspring"
GLOBAL_PREFIX = "Mainspring:"
"""Prefix of automations that belong to no use case; the name of a use case is lowercase."""
BURST_SECONDS = 60
"""How long equal events start no further run; reconcile resends an event only later."""
FLOWS = {
    "ingest": "Validate landed files, and write good rows to the lake and bad ones to quarantine.",
    "materialize": "Publish the newest features to the online store, and report stale views.",
    "score": "Score the rows that are due, with every version active at their prediction time. "
    "With window = 7d, all rows of seven days are scored again.",
    "monitor": "Measure performance, drift and data quality of a window; raise alerts. At "
    "as_of = 2013-07-15T00:00:00Z it measures the window that ended then.",
    "train": "Train a candidate on the rows before as_of; its decision follows by itself.",
    "retrain": "Train a candidate for an alert. An automation starts it.",
    "promote": "Take a candidate one step further: gate, approval, rollout, champion. An "
    "automation starts it; version = 3 starts it by hand.",
    "rollback": "Undo a promotion and restore the previous champion. An automation starts it; "
    "promotion = decision:3 starts it by hand.",
    "watch": "Alert when data, labels, predictions or monitoring runs are overdue.",
    "reconcile": "Resend requests that no run answered, and sync MLflow's alias.",
    "verify": "Compare the stored state with its digests, and repair what can be made again.",
    "follow": "Bring the targets outside to the versions and shares of the ledger.",
}
"""The flows of a use case, each with the description of its deployment."""
_HEADER = "# Made from the use cases' YAML files by `mainspring deployments --write`: edit those.\n"
_ONE_AT_A_TIME = {"limit": 1, "collision_strategy": "ENQUEUE"}
_CAUSES = {
    "alert": "the monitor requests retraining",
    "candidate": "a candidate can take its next step",
    "rollback": "a loss of the champion is shown",
}
_WORKING_DIRECTORY = "prefect.deployments.steps.set_working_directory"


def deployment_name(use_case: str, flow: str) -> str:
    """Return the name of a use case's deployment of a flow."""
    return f"{use_case}-{flow}"


def build_deployments() -> dict[str, Any]:
    """Build the content of prefect.yaml for the use cases of the settings.

    BadConfig if a use case is invalid and the existing file cannot be read.
    """
    use_cases = all_use_cases()
    deployments = [each for use_case in use_cases.sound for each in _build_use_case(use_case)]
    deployments += _read_existing(use_cases.broken)
    deployments.sort(key=lambda each: str(each["parameters"]["use_case"]))
    return {
        "name": "mainspring",
        "definitions": {"one_at_a_time": _ONE_AT_A_TIME},
        "pull": [{_WORKING_DIRECTORY: {"directory": "{{ $MAINSPRING_HOME }}"}}],
        "deployments": [*deployments, _build_failed_automation()],
    }


def render_deployments() -> str:
    """Render prefect.yaml as it is on disk, byte for byte."""
    return _HEADER + yaml.dump(
        build_deployments(), Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True
    )


def deployments_path() -> Path:
    """Return the path of prefect.yaml: beside the folder of the use cases."""
    return settings().use_cases.resolve().parent / "prefect.yaml"


def write_deployments() -> None:
    """Write prefect.yaml atomically: it is also the source of an invalid use case's deployments."""
    write_atomically(deployments_path(), render_deployments())


def deployments_are_current() -> bool:
    """Return whether prefect.yaml equals what the use cases' YAML files define."""
    path = deployments_path()
    return path.exists() and path.read_text() == render_deployments()


def _read_existing(broken: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the deployments that the file has for use cases that are invalid now."""
    path = deployments_path()
    if not (broken and path.exists()):
        return
    content = read_yaml(path, "file not found; it existed a moment ago")
    if not isinstance(content, dict) or "deployments" not in content:
        raise BadConfig(f"{path}: `deployments` not found; restore the file from git, or remove it")
    for each in content["deployments"]:
        if each.get("parameters", {}).get("use_case") in broken:
            yield each | {"concurrency_limit": _ONE_AT_A_TIME}


def _build_use_case(use_case: UseCase) -> list[dict[str, Any]]:
    """Build the deployments of one use case."""
    when = use_case.schedules
    alert = _trigger(use_case, "alert", "retrain", alert="{{ event.payload.alert }}")
    candidate = _trigger(use_case, "candidate", "promote", version="{{ event.payload.version }}")
    undo = _trigger(use_case, "rollback", "rollback", promotion="{{ event.payload.promotion }}")
    follow = [_deployment("follow", use_case, schedules=_cron(when.follow))]
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
        _deployment("verify", use_case, schedules=_cron(when.verify)),
        *(follow if use_case.targets else []),
    ]


def _deployment(flow: str, use_case: UseCase, **starts: object) -> dict[str, Any]:
    return {
        "name": deployment_name(use_case.name, flow),
        "description": f"{use_case.title}\n\n{FLOWS[flow]}",
        "entrypoint": f"flows/{flow}.py:{flow}",
        "parameters": {"use_case": use_case.name},
        "tags": ["mainspring", use_case.name, flow],
        **starts,
        "concurrency_limit": _ONE_AT_A_TIME,
        "work_pool": {"name": WORK_POOL, "work_queue_name": use_case.name},
    }


def _build_failed_automation() -> dict[str, Any]:
    """Build the deployment that reports failed automations of the use cases.

    Global automations are excluded. This one would report its own failure for ever. The one for
    runs without heartbeat fails, harmlessly, on runs that end before their first heartbeat.
    """
    trigger = {
        "name": f"{GLOBAL_PREFIX} report failed automations",
        "description": "When an automation of a use case fails, start a run that shows why. "
        "Nothing is lost: reconcile resends what no run answered.",
        "expect": ["prefect.automation.action.failed"],
        "match": {
            "prefect.resource.id": "prefect.automation.*",
            "prefect.resource.name": f"!{GLOBAL_PREFIX} *",
        },
        "for_each": ["prefect.resource.id"],
        "posture": "Reactive",
        "threshold": 1,
        "within": BURST_SECONDS,
        "parameters": {
            "automation": "{{ event.resource.name }}",
            "reason": "{{ event.payload.reason }}",
        },
    }
    return {
        "name": deployment_name("mainspring", "report_failed_automation"),
        "entrypoint": "flows/report_failed_automation.py:report_failed_automation",
        "description": "Fail with the reason of an automation that failed, so that it is seen.",
        "tags": ["mainspring"],
        "triggers": [trigger],
        "work_pool": {"name": WORK_POOL},
    }


def _trigger(use_case: UseCase, what: str, flow: str, **parameters: str) -> dict[str, Any]:
    """Build a trigger that starts one run for each subject, however many events name it.

    The subject is the event's label of its own name.
    """
    event = f"mainspring.{what}"
    return {
        "name": f"{use_case.name}: {what} starts {flow}",
        "description": f"When {_CAUSES[what]} for {use_case.name}, start one run of {flow}. Equal "
        f"events within {BURST_SECONDS} s start no further run.",
        "expect": [event],
        "match": {"prefect.resource.id": f"mainspring.model.{use_case.name}"},
        "for_each": ["prefect.resource.id", event],
        "posture": "Reactive",
        "threshold": 1,
        "within": BURST_SECONDS,
        "parameters": {**parameters, "as_of": "{{ event.payload.as_of }}"},
    }


def _cron(line: str) -> list[dict[str, Any]]:
    return [{"cron": line, "timezone": "UTC", "active": True}]


class _Dumper(yaml.SafeDumper):
    """Dumper that writes the shared section once, under its name in `definitions`."""

    def generate_anchor(self, _node: yaml.Node) -> str:
        """Return the name of the only shared section instead of id001."""
        return "one_at_a_time"
