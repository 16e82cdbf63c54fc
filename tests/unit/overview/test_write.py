"""Writing of the overview: broken models, two runs at once, and a run of a past moment."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from configs.schema.loading import load_use_case
from tasks.overview import write
from tasks.overview.summary import read_summaries
from tests.support.overview_state import FIRST

WRITE = (
    "from datetime import datetime, UTC; from configs.schema.loading import load_use_case;"
    "from tasks.overview.write import write_overview;"
    "write_overview(load_use_case('{}'), datetime(2013, 7, 1, tzinfo=UTC))"
)


def test_a_broken_model_stops_no_other_and_is_named(site: Path) -> None:
    log = site.parent / "lake" / "sore" / "monitoring" / "_delta_log"
    kept = {path: path.read_bytes() for path in log.glob("*.json")}
    for path in kept:
        path.write_text("no json")
    failed = write.write_all_overviews(None)
    index = (site / "index.html").read_text()
    with pytest.raises(Exception, match=r"no json|invalid|Delta|log|JSON"):
        write.write_overview(load_use_case("sore"), FIRST)
    for path, content in kept.items():
        path.write_bytes(content)
    assert list(failed) == ["sore"]
    assert index.count("cannot be read") == 3  # the count, `sore` and `torn`
    assert (site / "calm" / "index.html").exists()
    assert write.write_all_overviews(None) == {}
    assert "torn.yaml is invalid" in (site / "index.html").read_text()


def test_a_run_of_a_past_moment_takes_nothing_away(site: Path) -> None:
    calm = load_use_case("calm")
    write.write_overview(calm, datetime(2013, 7, 1, tzinfo=UTC))
    now = (site / "calm" / "index.html").read_bytes(), (site / "index.html").read_bytes()
    write.write_overview(calm, FIRST)
    assert ((site / "calm" / "index.html").read_bytes(), (site / "index.html").read_bytes()) == now


def test_the_index_is_written_again_if_a_summary_changed_meanwhile(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write.write_all_overviews(None)
    render, rounds = write.render_index, []

    def render_while_another_writes(*given: object) -> str:
        page: str = render(*given)  # type: ignore[arg-type]
        if not rounds:
            late = read_summaries()["sore"].model_copy(update={"step": "Written meanwhile."})
            write.write_summary(late)
        rounds.append(page)
        return page

    monkeypatch.setattr(write, "render_index", render_while_another_writes)
    write.write_index()
    assert len(rounds) == 2
    assert "Written meanwhile." in (site / "index.html").read_text()
    write.write_all_overviews(None)


@pytest.mark.slow
def test_two_processes_at_once_write_whole_pages_of_both(site: Path) -> None:
    for path in (site / "index.html", *site.glob("_overview/*.json")):
        path.unlink(missing_ok=True)
    commands = [[sys.executable, "-c", WRITE.format(name)] for name in ("calm", "sore") * 2]
    processes = [subprocess.Popen(command) for command in commands]
    assert [process.wait(120) for process in processes] == [0] * 4
    index = (site / "index.html").read_text()
    assert index.endswith("</html>")
    assert "cannot be read" in index
    assert all(f'href="{name}/index.html"' in index for name in ("calm", "sore"))
    assert not list(site.rglob(".*.new"))


def test_a_summary_that_is_no_summary_is_named(site: Path) -> None:
    write.write_all_overviews(None)
    (site / "_overview" / "gone.json").write_text("{}")
    write.write_index()
    assert "Its summary cannot be read" in (site / "index.html").read_text()
    (site / "_overview" / "gone.json").unlink()
    write.write_index()


def test_the_chart_library_is_written_once(site: Path) -> None:
    write.write_all_overviews(None)
    (library,) = site.glob("plotly-*.min.js")
    before = library.stat().st_mtime_ns
    write.write_all_overviews(None)
    assert library.stat().st_mtime_ns == before
