"""Dashboards on disk are the generated ones."""

from __future__ import annotations

import pytest

from infra.observability.dashboards import DASHBOARDS, FOLDER, Dashboard, render_dashboard


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.name)
def test_a_file_is_what_the_module_renders(dashboard: Dashboard) -> None:
    text = (FOLDER / f"{dashboard.name}.json").read_text()
    assert text == render_dashboard(dashboard), "run python -m infra.observability.dashboards"


def test_no_other_file_is_there() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == {each.name for each in DASHBOARDS}
