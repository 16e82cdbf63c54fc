"""Online demo: a day of flights as requests, a canary, and a version that is taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl
from rich.console import Console

from configs.clock import utc_or_now
from configs.errors import BadConfig, Conflict
from configs.schema.loading import load_use_case
from configs.schema.promotion import Canary
from configs.schema.use_case import UseCase
from configs.settings import settings
from flows.cli.demo_online.load import LoadResult, RequestLoad
from flows.cli.demo_online.plant import ValueGap, find_value_gap, plant_fault
from flows.cli.demo_online.servers import (
    run_servers,
    use_online_use_cases,
    write_online_use_case,
)
from flows.cli.demo_online.streamed import read_instances, stream_day
from flows.cli.views.history import INTERNAL_EVENTS
from tasks.ledger.descriptions import describe_event, describe_evidence
from tasks.ledger.entries import make_rollout_started
from tasks.ledger.evidence import StepEvidence
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion
from tasks.reporting.table import build_table
from tasks.reporting.terminal import render_terminal, render_text

_ACTOR = "demo-online"
_MATRIX = 768  # of the planted version: some 50 ms a prediction
_SHARE = 0.2
_TRIES = 5
_SWITCH_SECONDS = 2  # in which the server follows the ledger


def run_online_demo(console: Console, name: str) -> bool:
    """Run the online demo on the state of a finished demo; return whether all of it came true.

    Args:
        console: where progress and results are shown.
        name: the use case.
    """
    state = settings().state
    champion = find_champion(open_ledger().entries(name))
    if champion is None or champion.version is None:
        raise BadConfig(f"{state} has no champion of {name}; run mainspring demo first")
    folder = state / "online"
    write_online_use_case(name, folder / "configs")
    with use_online_use_cases(folder / "configs"):
        story = _OnlineStory(console, load_use_case(name), champion.version)
        console.print(render_text("starting server and stream"))
        with run_servers(name, folder) as servers:
            return story.tell(servers.port, servers.redis)


@dataclass
class _Part:
    name: str
    result: LoadResult


class _OnlineStory:
    """The parts of the demo, and what each measured."""

    def __init__(self, console: Console, use_case: UseCase, champion: int) -> None:
        self._console, self._use_case, self._champion = console, use_case, champion
        self._parts: list[_Part] = []
        self._printed = len(open_ledger().entries(use_case.name))

    def tell(self, port: int, redis: str) -> bool:
        """Run all parts in order and print the numbers; return whether all of it came true."""
        bodies, gap = self._prepare()
        load = RequestLoad(port, f"/v1/models/{self._use_case.name}:predict", bodies)
        self._send("champion", load)
        good = self._register("good", None)
        self._start_canary(good)
        self._send(f"canary of version {good}", load)
        self._promote(good, "the canary showed neither errors nor latency")
        self._send(f"version {good} is champion", load)
        bad = self._register("planted", gap)
        self._start_canary(bad)
        self._send(f"canary of version {bad}, slow and failing", load, self._expect("refused"))
        self._promote(bad, "planted, to show the rollback")
        self._send(f"version {bad} is champion", load, self._expect("rolled_back"))
        time.sleep(_SWITCH_SECONDS)
        self._send("after the rollback", load)
        self._print_parts()
        if redis:
            self._stream(redis, bodies)
        else:
            self._print("redis-server is not installed: the stream is left out")
        return self._check(good)

    def _prepare(self) -> tuple[list[bytes], ValueGap]:
        """Return the last predicted day as bodies of requests, and values to fail on."""
        from tasks.features.retrieval import build_spine, join_features
        from tasks.models.artifact import read_golden_inputs
        from tasks.models.registry import open_model
        from tasks.rollout.prediction_log import PREDICTIONS
        from tasks.storage.lake import open_lake

        case, moment = self._use_case, self._use_case.spine.time
        newest = (
            open_lake(case.name).scan(PREDICTIONS).select(pl.col(moment).max()).collect().item()
        )
        end = newest + timedelta(seconds=1)
        rows = join_features(case, build_spine(case, end - timedelta(days=1), end, end))
        model = open_model(case.name, self._champion)
        schema = model.card.inputs
        names = list(dict.fromkeys([*case.spine.key, *schema.inputs]))
        texts = rows.select(names).with_columns(
            pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        bodies = [
            json.dumps({"instances": [_drop_nan(row)]}).encode()
            for row in texts.iter_rows(named=True)
        ]
        numbers = pl.col(list(schema.numeric)).cast(pl.Float32)
        golden = read_golden_inputs(model.golden).select(numbers).to_numpy()
        gap = find_value_gap(golden, rows.select(numbers).to_numpy())
        self._print(f"{rows.height} rows of {newest:%Y-%m-%d}; server on loopback")
        return bodies, gap

    def _register(self, word: str, gap: ValueGap | None) -> int:
        """Register a copy of the champion, with a fault if there is a gap; return its version."""
        from tasks.model_cards.registration import register_candidate
        from tasks.models.artifact import ModelArtifact
        from tasks.models.registry import open_model
        from tasks.training.candidate import record_candidate

        model = open_model(self._use_case.name, self._champion)
        artifact = ModelArtifact(model.onnx, model.card, model.golden)
        copied = plant_fault(artifact, size=_MATRIX if gap else 0, gap=gap)
        now = utc_or_now()
        origin = f"demo-online:{word}:{now:%Y-%m-%dT%H:%M:%S}"
        version = register_candidate(copied, origin)
        record_candidate(open_ledger(), self._use_case.name, version, origin, now, _ACTOR)
        return version

    def _start_canary(self, version: int) -> None:
        from tasks.rollout.state import plan_rollout

        champion = find_champion(open_ledger().entries(self._use_case.name))
        canary = self._use_case.model_copy(update={"rollout": Canary(shares=(_SHARE,))})
        plan = plan_rollout(canary, champion.version if champion else None)
        assert plan is not None  # there is a champion, and a canary is no direct promotion
        shown = StepEvidence(reason="a canary of the online demo, without a gate", gates=[])
        open_ledger().record(
            make_rollout_started(self._use_case.name, version, utc_or_now(), _ACTOR, shown, plan)
        )
        self._print_entries()

    def _promote(self, version: int, reason: str) -> None:
        from tasks.promotion.manual_promotion import promote_manually

        for left in reversed(range(_TRIES)):
            try:
                promote_manually(
                    open_ledger(), self._use_case, version, utc_or_now(), _ACTOR, reason
                )
                break
            except Conflict:  # the technical gate wrote an entry at the same moment
                if not left:
                    raise
        self._print_entries()

    def _expect(self, what: str) -> Callable[[], bool]:
        """Return a condition that holds when the ledger gets an entry of a kind."""
        known = len(open_ledger().entries(self._use_case.name))

        def is_recorded_now() -> bool:
            entries = open_ledger().entries(self._use_case.name)
            return any(entry.what == what for entry in entries[known:])

        return is_recorded_now

    def _send(self, name: str, load: RequestLoad, until: Callable[[], bool] | None = None) -> None:
        with self._console.status(name):
            self._parts.append(_Part(name, load.send(until)))
        self._print_entries()

    def _stream(self, redis: str, bodies: list[bytes]) -> None:
        with self._console.status("the day as events, ten times"):
            day = stream_day(redis, self._use_case.name, read_instances(bodies))
        self._print(
            f"stream: {day.events} events in {day.seconds:.1f} s, {day.events / day.seconds:,.0f} "
            f"a second; {day.answers} answers, {day.rejected} rejected; p99 {day.p99_ms:.0f} ms "
            "with the backlog"
        )

    def _print_parts(self) -> None:
        rows = [
            (
                part.name, len(part.result.latencies), part.result.failed,
                f"{len(part.result.latencies) / part.result.seconds:.0f}",
                f"{part.result.find_percentile(50):.1f}", f"{part.result.find_percentile(99):.1f}",
                ", ".join(f"{v}: {n}" for v, n in sorted(part.result.versions.items())),
            )
            for part in self._parts
        ]  # fmt: skip
        titles = ["part", "requests", "failed", "a second", "p50 ms", "p99 ms", "used version"]
        self._console.print(render_terminal(build_table(titles, rows)))

    def _print_entries(self) -> None:
        entries = open_ledger().entries(self._use_case.name)
        for entry in _list_shown(entries[self._printed :]):
            self._print(f"{entry.at:%H:%M:%S}  {describe_event(entry)}  {describe_evidence(entry)}")
        self._printed = len(entries)

    def _print(self, text: str) -> None:
        self._console.print(render_text(text))

    def _check(self, good: int) -> bool:
        """Return whether the good version serves, and only requests of the planted one failed."""
        champion = find_champion(open_ledger().entries(self._use_case.name))
        failed = [part.name for part in self._parts if part.result.failed]
        return champion is not None and champion.version == good and len(failed) <= 1


def _list_shown(entries: list[Entry]) -> Iterator[Entry]:
    yield from (entry for entry in entries if entry.what not in INTERNAL_EVENTS)


def _drop_nan(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as JSON allows it."""
    return {name: None if value != value else value for name, value in row.items()}
