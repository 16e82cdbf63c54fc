"""Processes that play matches, while this one plays the monitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from tasks.rehearsal.day_pool import ComparedDays
from tasks.rehearsal.played_gate import Match, play_match

Report = Callable[[str, int], None]
Results = list[int | None]
_CHUNK = 10  # histories that a process plays at once
_held: tuple[ComparedDays, Sequence[Match]] | None = None  # of a worker


@dataclass(frozen=True)
class MatchResults:
    """Results of matches that are still played: chunks of each, in order."""

    chunks: list[list[Future[Results]]]

    def wait(self) -> list[Results]:
        """Return the result of each history of each match."""
        return [[result for chunk in match for result in chunk.result()] for match in self.chunks]


@contextmanager
def start_matches(
    days: ComparedDays, matches: Sequence[Match], histories: int, jobs: int, report: Report
) -> Iterator[MatchResults]:
    """Play matches in other processes; with one job, in this one and at once.

    Args:
        days: the days of histories.
        matches: what is played.
        histories: number of histories of each match.
        jobs: number of processes.
        report: called with the name of a match and the histories that are played.
    """
    spans = [(first, min(first + _CHUNK, histories)) for first in range(0, histories, _CHUNK)]
    if jobs == 1:
        yield MatchResults(
            [[_play_now(days, match, span, report) for span in spans] for match in matches]
        )
        return
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), initializer=_hold, initargs=(days, tuple(matches))
    ) as pool:
        yield MatchResults(
            [
                [_submit(pool, number, match.name, span, report) for span in spans]
                for number, match in enumerate(matches)
            ]
        )


def iterate_generators(seed: int, span: tuple[int, int]) -> Iterator[np.random.Generator]:
    """Yield the generator of each history from the first number to before the last."""
    yield from (np.random.default_rng((seed, number)) for number in range(*span))


def _play_now(
    days: ComparedDays, match: Match, span: tuple[int, int], report: Report
) -> Future[Results]:
    done: Future[Results] = Future()
    done.set_result(_play_span(days, match, span))
    report(match.name, span[1] - span[0])
    return done


def _submit(
    pool: ProcessPoolExecutor, number: int, name: str, span: tuple[int, int], report: Report
) -> Future[Results]:
    future = pool.submit(_play_held, number, span)
    future.add_done_callback(lambda _: report(name, span[1] - span[0]))
    return future


def _hold(days: ComparedDays, matches: Sequence[Match]) -> None:
    global _held
    _held = (days, matches)


def _play_held(number: int, span: tuple[int, int]) -> Results:
    assert _held is not None
    days, matches = _held
    return _play_span(days, matches[number], span)


def _play_span(days: ComparedDays, match: Match, span: tuple[int, int]) -> Results:
    generators = iterate_generators(days.use_case.seed, span)
    return [play_match(days, match, random) for random in generators]
