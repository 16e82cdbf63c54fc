"""Imports: no circle, short chains, and nothing heavy in a flow's or the domain's modules."""

import json
import subprocess
import sys
from collections import defaultdict
from functools import cache

import pytest

from configs.settings import ROOT
from tests.support.source_code import find_cycle, longest_chain, module_imports, source_modules

MAX_PACKAGE_CHAIN = 9
HEAVY = {
    "boto3", "dask", "distributed", "evidently", "feast", "great_expectations", "matplotlib",
    "mlflow", "onnx", "onnxruntime", "pandas", "prefect_dask", "scipy", "skl2onnx", "sklearn",
    "statsmodels",
}  # fmt: skip
"""Each takes a second or more, or brings one that does; imported by the function that needs it."""

DOMAIN = ("evaluation", "ledger", "models", "rollout", "storage")
FRAMEWORKS = {"prefect", "mlflow", "feast", "great_expectations"}
PREDICT = """
import numpy as np, tasks.models.artifact, tasks.models.registry
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression
from tasks.models.onnx_session import open_onnx_session, run_onnx
x = np.arange(8.0).reshape(-1, 1)
fitted = LogisticRegression().fit(x, x[:, 0] > 3)
inputs = [("inputs", FloatTensorType([None, 1]))]
onnx = to_onnx(fitted, initial_types=inputs, options={"zipmap": False}, target_opset=17)
session = open_onnx_session(onnx.SerializeToString())
assert len(run_onnx(session, x.astype(np.float32))) == 8
"""


@cache
def imported_after(code: str) -> frozenset[str]:
    """Return all modules of a fresh process after it ran some code."""
    code += "\nimport json, sys; print(json.dumps([*sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    return frozenset(json.loads(done.stdout.splitlines()[-1]))


def import_all(modules: list[str]) -> str:
    return "import " + ", ".join(modules)


def flow_modules() -> list[str]:
    return sorted(f"flows.{path.stem}" for path in (ROOT / "flows").glob("[!_]*.py"))


def package_of(module: str) -> str:
    """Return the package that a layer consists of: tasks.models, configs.schema, infra, …"""
    top, _, rest = module.partition(".")
    second = rest.partition(".")[0]
    apart = top == "tasks" or (top, second) in {
        ("configs", "schema"), ("flows", "cli"), ("infra", "storage"),
    }  # fmt: skip
    return f"{top}.{second}" if apart and second else top


def test_flows_import_no_heavy_package() -> None:
    packages = imported_after(import_all(flow_modules()))
    assert packages & HEAVY == set()
    assert {"prefect", "polars", "tasks"} <= packages


def test_heavy_packages_are_used_by_tasks() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tasks").rglob("*.py"))
    used = {name for name in HEAVY if f" {name}" in code}
    assert used >= {"feast", "mlflow", "great_expectations"}


def test_domain_modules_import_no_framework() -> None:
    modules = [m for m in source_modules() if m.split(".")[1:2] and m.split(".")[1] in DOMAIN]
    modules = [m for m in modules if m.startswith("tasks.") and not m.endswith("migrations.env")]
    assert len(modules) > 20  # env.py is run by alembic alone
    assert imported_after(import_all(modules)) & FRAMEWORKS == set()


def test_prediction_imports_no_training_module() -> None:
    modules = imported_after(PREDICT)
    assert "tasks.models.onnx_session" in modules
    assert [m for m in modules if m.startswith("tasks.training")] == []
    assert modules & {"prefect", "feast", "great_expectations"} == set()


def test_files_import_each_other_in_no_circle() -> None:
    assert find_cycle(module_imports()) == []


def test_package_chain_is_short() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for module, imported in module_imports().items():
        graph[package_of(module)] |= {package_of(name) for name in imported}
    for package, imported in graph.items():
        imported.discard(package)
    assert find_cycle(graph) == []
    assert len(longest_chain(graph)) <= MAX_PACKAGE_CHAIN, longest_chain(graph)


@pytest.mark.parametrize(
    ("graph", "cycle", "chain"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, [], ["a", "b", "c"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}}, ["b", "c"], None),
    ],
)
def test_find_cycle_and_longest_chain_on_small_graphs(graph, cycle, chain) -> None:
    assert find_cycle(graph) == cycle
    assert chain is None or longest_chain(graph) == chain
