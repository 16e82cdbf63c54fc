"""The commands of README.md that a reader runs on what the demo left, run in a scratch state."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from markdown_it import MarkdownIt

from configs.settings import ROOT
from tests.support.programs import free_port


def read_demo_commands() -> list[list[str]]:
    """The words of each `mainspring` command that has `--demo`, in the order of the page."""
    tokens = MarkdownIt("commonmark").parse((ROOT / "README.md").read_text())
    fences = [token.content for token in tokens if token.type == "fence"]
    lines = [line.partition(" #")[0] for fence in fences for line in fence.splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith("mainspring ")]
    return [words[1:] for words in commands if "--demo" in words and "replay" not in words]


def run_demo_commands(state: Path) -> dict[str, str]:
    """Run the commands with a state folder whose `demo` is finished; what each printed."""
    ports = {f"MAINSPRING_{name}_PORT": str(free_port()) for name in ("PREFECT", "MLFLOW")}
    environment = {**os.environ, **ports, "MAINSPRING_STATE": str(state), "COLUMNS": "100"}
    printed = {}
    for words in read_demo_commands():
        done = subprocess.run(
            [sys.executable, "-m", "flows.cli.app", *words], cwd=ROOT, env=environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
        printed[" ".join(words)] = done.stdout
    return printed
