"""What a run of the benchmark came to: the table for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from tests.benchmarks.catalogue import STAGES
from tests.benchmarks.overview import MODELS, WANTED, WEEKS
from tests.benchmarks.runs import Bench, Result


def tables(bench: Bench) -> list[Table]:
    """All tables of a run, ratios first."""
    shown = [_ratios(bench.results), _details(bench.results)] if bench.results else []
    shown += [_imports(bench.loaded)] if bench.loaded else []
    shown += _loop(bench.loop) if bench.loop else []
    return [*shown, _site(bench.site)] if bench.site else shown


def ratios(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Every ratio of every stage and size that was measured; null where one side was left out."""
    found = []
    for stage, rows in dict.fromkeys((r.stage, r.rows) for r in results):
        of = {r.contender: r for r in results if (r.stage, r.rows) == (stage, rows)}
        for ratio in STAGES[stage].ratios:
            slow, fast = of[ratio.slow], of[ratio.fast]
            times = None if ratio.by_the_clock else _times(slow, fast, "cpu")
            clock = _times(slow, fast, "seconds")
            judged = clock if ratio.by_the_clock else times
            found.append(
                {"stage": stage, "rows": rows, "slow": ratio.slow, "fast": ratio.fast}
                | {"ratio": times, "wall_ratio": clock, "wanted": ratio.wanted()}
                | {"holds": None if judged is None else ratio.holds(judged)}
            )
    return found


def _ratios(results: Sequence[Result]) -> Table:
    """Ratios of CPU seconds, which do not depend on who else uses the machine, and of seconds;
    of work that processes share only these.
    """
    shown = _columns("ratios", "stage", "rows", "", "× CPU", "× seconds", "wanted", "")
    for each in ratios(results):
        verdict = {None: "", True: "[green]✓[/]", False: "[red]✗[/]"}
        shown.add_row(
            each["stage"], f"{each['rows']:,}", f"{each['slow']} / {each['fast']}",
            _number(each["ratio"]), _number(each["wall_ratio"]), each["wanted"],
            verdict[each["holds"] if each["wanted"] else None],
        )  # fmt: skip
    return shown


def _details(results: Sequence[Result]) -> Table:
    """Seconds, CPU seconds and peak memory of each contender."""
    shown = _columns("medians", "stage", "rows", "who", "seconds", "CPU s", "peak MiB", "µs a row")
    for each in results:
        seconds = each.median("seconds")
        numbers = [_number(each.median(what)) for what in ("seconds", "cpu")]
        peak = each.median("peak_mib")
        per_row = "" if seconds is None else f"{seconds / each.rows * 1e6:.2f}"
        shown.add_row(
            each.stage, f"{each.rows:,}", f"{each.contender} {each.left_out}".strip(), *numbers,
            "" if peak is None else f"{peak:.0f}", per_row,
        )  # fmt: skip
    return shown


def _imports(loaded: dict[str, dict[str, float]]) -> Table:
    """What importing each module takes, Prefect itself first."""
    shown = _columns("imports", "module", "seconds", "CPU s", "peak MiB")
    for module, took in loaded.items():
        numbers = (took[what] for what in ("seconds", "cpu", "peak_mib"))
        shown.add_row(module, *map(_number, numbers))
    return shown


def _loop(loop: dict[str, Any]) -> list[Table]:
    """A daily run, and where the seconds go between an alert and its promotion."""
    daily, alert = loop["daily"], loop["alert to champion"]
    share = daily["share"]
    title = f"a daily run: {share['seconds']:.0%} of its seconds, {share['cpu']:.0%} of its CPU"
    shown = _columns(f"{title} are Prefect's", "", "seconds", "CPU s")
    for way in ("prefect", "no heartbeats", "bare"):
        shown.add_row(way, _number(daily[way]["seconds"]), _number(daily[way]["cpu"]))
    said = f"{alert['seconds']:.1f} s, {alert['beside fitting']:.1f} beside fitting"
    parts = _columns(f"alert to {alert['decision']}: {said}", "flow", "part", "seconds")
    for flow, took in alert["parts"].items():
        for part, seconds in took.items():
            parts.add_row(flow, part, _number(seconds))
    return [shown, parts]


def _site(steps: dict[str, float]) -> Table:
    """Seconds of each step of the overview, against their bounds."""
    shown = _columns(f"overview of {MODELS} models, {WEEKS} weeks", "", "seconds", "wanted", "")
    for name, seconds in steps.items():
        bound = WANTED.get(name)
        verdict = "" if bound is None else "[green]✓[/]" if seconds <= bound else "[red]✗[/]"
        shown.add_row(name, _number(seconds), f"≤ {bound:g}" if bound else "", verdict)
    return shown


def _columns(title: str, *names: str) -> Table:
    shown = Table(title=title, title_justify="left")
    for name in names:
        right = name in ("rows", "seconds") or name[:3] in ("× C", "× s", "CPU", "pea", "µs ")
        shown.add_column(name, justify="right" if right else "left")
    return shown


def _times(slow: Result, fast: Result, what: str) -> float | None:
    above, below = slow.median(what), fast.median(what)
    return above / below if above and below else None


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
