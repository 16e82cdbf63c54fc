"""A state of three models: two with a year's ledger, and one whose YAML is invalid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from configs.schema.loading import load_use_case
from configs.settings import settings
from tasks.overview.facts import NEVER, ModelFacts, read_model_facts
from tests.support import overview_state
from tests.support.state import state as lies_in

WEEKS = 12


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the reports; `calm` and `sore` have measurements, `torn` has no valid YAML."""
    folder = tmp_path_factory.mktemp("state")
    with lies_in(folder, {"MAINSPRING_USE_CASES": str(folder / "configs")}):
        for name in ("calm", "sore"):
            overview_state.write_use_case(folder / "configs", name)
        (folder / "configs" / "torn.yaml").write_text("name: torn\n")
        overview_state.write_ledger(folder, ["calm", "sore"])
        for seed, name in enumerate(("calm", "sore")):
            overview_state.write_measurements(name, WEEKS, seed)
        yield Path(settings().reports)


@pytest.fixture(scope="module")
def facts(site: Path) -> ModelFacts:
    return read_model_facts(load_use_case("calm"), NEVER)
