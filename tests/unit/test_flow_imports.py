"""What a run's process pays before its first line: a flow's module imports nothing heavy."""

import json
import subprocess
import sys

import pytest

from configs.settings import ROOT

HEAVY = {
    "boto3", "dask", "distributed", "evidently", "feast", "great_expectations", "matplotlib",
    "mlflow", "onnx", "onnxruntime", "pandas", "prefect_dask", "scipy", "skl2onnx", "sklearn",
    "statsmodels",
}  # fmt: skip
"""Each takes a second or more, or brings one that does; imported by the function that needs it."""


def imported(flow: str) -> set[str]:
    """The packages that a fresh process has imported after a flow's module."""
    ask = f"import json, sys, {flow}; print(json.dumps([m for m in sys.modules if '.' not in m]))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def every_flow() -> set[str]:
    flows = sorted(path.stem for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__")
    return imported(", ".join(f"flows.{flow}" for flow in flows))


def test_no_flow_imports_what_is_heavy(every_flow: set[str]) -> None:
    assert every_flow & HEAVY == set()


def test_heavy_is_what_the_tasks_do_use(every_flow: set[str]) -> None:
    """A package that nothing names any more would make the other test say nothing."""
    assert {"prefect", "polars", "tasks"} <= every_flow
    code = "".join(path.read_text() for path in (ROOT / "tasks").rglob("*.py"))
    assert {name for name in HEAVY if f" {name}" in code} >= {
        "feast",
        "mlflow",
        "great_expectations",
    }
