"""Feast's own command line, run for one use case with its configuration and declarations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from configs.settings import ROOT
from tasks.features.feast_store import build_feast_configuration


def run_feast_command(use_case: UseCase, arguments: Sequence[str]) -> int:
    """Run `feast` with arguments such as `plan`; return its exit code.

    Raises BadConfig if the module `views` is not found.
    """
    views = use_case.features.module.rpartition(".")[0] + ".views"
    spec = find_spec(views)
    if spec is None or spec.origin is None:
        raise BadConfig(f"{use_case.name}: module {views} not found; Feast needs its declarations")
    folders = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    # in a folder that only this user can read, because an address may have a password
    with TemporaryDirectory(prefix="mainspring-feast-") as folder:
        path = Path(folder, "feature_store.yaml")
        path.write_text(yaml.safe_dump(build_feast_configuration(use_case)))
        program = [sys.executable, "-c", "from feast.cli.cli import cli; cli(prog_name='feast')"]
        place = ["-c", str(Path(spec.origin).parent), "-f", str(path)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
        return subprocess.run(
            [*program, *place, *arguments], env=environment, check=False
        ).returncode
