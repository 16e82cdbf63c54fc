"""The real Prometheus and Alertmanager, with the shipped configuration, made quick."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from configs.settings import ROOT
from tests.support.prefect_server import until
from tests.support.programs import find, free_ports, is_ready

SHIPPED = ROOT / "infra" / "observability"


@contextmanager
def run_prometheus(folder: Path, reports: str, token_file: Path) -> Iterator[dict[str, str]]:
    """Start both; yield their addresses.

    Args:
        folder: an empty folder for their files.
        reports: address of the reports server.
        token_file: the file with its token.
    """
    ports = free_ports(2)
    hosts = {name: f"127.0.0.1:{port}" for name, port in zip(("p", "a"), ports, strict=True)}
    _write_prometheus(folder, reports.removeprefix("http://"), hosts["a"], token_file)
    _write_alertmanager(folder, reports, token_file)
    commands = {
        "p": ["prometheus", f"--config.file={folder}/prometheus.yml",
              f"--storage.tsdb.path={folder}/data", f"--web.listen-address={hosts['p']}"],
        "a": ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml",
              f"--storage.path={folder}/alerts", f"--web.listen-address={hosts['a']}",
              "--cluster.listen-address="],
    }  # fmt: skip
    started = []
    try:
        for name, (program, *arguments) in commands.items():
            log = (folder / f"{name}.log").open("w")
            command = [find(program), *arguments]
            started.append(subprocess.Popen(command, cwd=folder, stdout=log, stderr=log))
            ready = f"http://{hosts[name]}/-/ready"
            until(lambda: is_ready(ready) or None, f"{program} in {folder}", 60)  # noqa: B023
        yield {"Prometheus": f"http://{hosts['p']}", "Alertmanager": f"http://{hosts['a']}"}
    finally:
        for process in started:
            process.kill()
            process.wait(30)


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((SHIPPED / name).read_text())
    return content


def _write_prometheus(folder: Path, reports: str, alertmanager: str, token: Path) -> None:
    """Write the shipped files with other addresses, and without waiting."""
    config = _read("prometheus.yml")
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    (job,) = (each for each in config["scrape_configs"] if each["job_name"] == "reports")
    job["static_configs"][0]["targets"] = [reports]
    job["authorization"]["credentials_file"] = str(token)
    config["scrape_configs"] = [job]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "rules").mkdir()
    for file in (SHIPPED / "rules").glob("*.yml"):
        rules = yaml.safe_load(file.read_text())
        for group in rules["groups"]:
            for rule in group["rules"]:
                if rule.pop("for", None):
                    rule["keep_firing_for"] = "10s"  # the first alert makes scrapes late
        (folder / "rules" / file.name).write_text(yaml.safe_dump(rules))


def _write_alertmanager(folder: Path, reports: str, token: Path) -> None:
    config = _read("alertmanager.yml")
    config["route"] |= {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "2s"}
    (webhook,) = config["receivers"][1]["webhook_configs"]
    webhook["url"] = f"{reports}/alerts"
    webhook["http_config"]["authorization"]["credentials_file"] = str(token)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
