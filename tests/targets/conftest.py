"""A bundle, rows to predict with it, and the matrix of what each runtime predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.models.registry import Model
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.bundles import write_bundle
from tests.support.flights import quick_use_case
from tests.support.target_rows import TargetRows, spoil_golden_rows

_MATRIX: list[str] = []


@pytest.fixture(scope="session")
def model() -> Model:
    return open_artifact(fit_artifact(quick_use_case(), "boosting"), 7)


@pytest.fixture(scope="session")
def target_rows(model: Model) -> TargetRows:
    return spoil_golden_rows(model)


@pytest.fixture
def make_bundle(model: Model, tmp_path: Path) -> Callable[[str], Path]:
    """Write the bundle for a target."""
    return lambda target: write_bundle(tmp_path / target, quick_use_case(), model, target)


@pytest.fixture
def compare(target_rows: TargetRows) -> Callable[[str, list[dict[str, Any]]], None]:
    """Compare the predictions of a runtime with the version's, and add a line to the matrix."""

    def compare_predictions(runtime: str, predictions: list[dict[str, Any]]) -> None:
        assert len(predictions) == len(target_rows.rows)
        apart = np.abs(np.array([p["probability"] for p in predictions]) - target_rows.values).max()
        decisions = [prediction["decision"] for prediction in predictions]
        flips = sum(a != b for a, b in zip(decisions, target_rows.decisions, strict=True))
        _MATRIX.append(f"{runtime:<40} {len(predictions):>6} {apart:>10.1e} {flips:>6}")
        assert apart <= 1e-6
        assert flips == 0

    return compare_predictions


@pytest.fixture(scope="session", autouse=True)
def matrix(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print the matrix at the end."""
    yield
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    head = f"{'runtime':<40} {'rows':>6} {'apart':>10} {'flips':>6}"
    if reporter is not None and _MATRIX:
        reporter.write_line("\n".join(["", head, *_MATRIX]))
