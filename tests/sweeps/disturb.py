"""One run of the story whole and one that is disturbed; both must come to the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from configs.settings import settings
from tests.support.small_case import SmallCase
from tests.sweeps.story import Step, land_day, list_differences, read_outcome
from tests.sweeps.tally import Tally, Tell


@dataclass(frozen=True)
class Disturbance:
    """How a sweep runs the steps of the story.

    Attributes:
        finish: runs a step to its end.
        disturb: starts a step and kills something meanwhile.
        restore: brings the state back to the start of the story.
    """

    finish: Callable[[Step], None]
    disturb: Callable[[Step], None]
    restore: Callable[[], None]


def compare_disturbed(
    case: SmallCase,
    steps: Sequence[Step],
    disturbance: Disturbance,
    kills: int,
    tally: Tally,
    tell: Tell,
) -> None:
    """Run the steps whole and then disturbed, and count what differs after each step.

    Args:
        case: the use case of the story.
        steps: its steps.
        disturbance: how they are run.
        kills: disturbances in all, spread evenly over the steps.
        tally: counts tries and faults.
        tell: shows how far the sweep is.
    """
    wanted = {}
    disturbance.restore()  # before both: restored files have another time of change
    for step in steps:
        land_day(case, step)
        disturbance.finish(step)
        wanted[step] = read_outcome(settings().state)
    disturbance.restore()
    for number, step in enumerate(steps):
        land_day(case, step)
        share = kills * (number + 1) // len(steps) - kills * number // len(steps)
        for _ in range(share):
            disturbance.disturb(step)
            tally.tried += 1
            tell(f"{step}: {tally.tried} of {kills} kills")
        disturbance.finish(step)
        for kind, table in list_differences(wanted[step], read_outcome(settings().state)):
            tally.add(kind, f"{table} after {step}")
