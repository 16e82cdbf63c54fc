"""Ledger entries of a rollout, told day by day, and the routes that they lead to."""

from datetime import UTC, datetime, timedelta

from configs.schema.loading import load_use_case
from configs.schema.promotion import Canary
from tasks.ledger.log import Entry
from tasks.rollout.routing import list_routes
from tasks.rollout.state import (
    find_rollout,
    next_rollout_stage,
    plan_rollout,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = 7 * DAY
FLIGHTS = load_use_case("flights")


def rollout_day(number: float) -> datetime:
    return START + number * DAY


class RolloutStory:
    """A ledger's entries, told day by day."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tell(self, what, at, version, **evidence) -> "RolloutStory":
        seq = len(self.entries) + 1
        self.entries.append(
            Entry("flights", what, f"{what}:{seq}", rollout_day(at), "test", version, evidence, seq)
        )
        return self

    def promoted(self, at, version, bake=None) -> "RolloutStory":
        until = None if bake is None else (rollout_day(at) + bake * DAY).isoformat()
        return self.tell("promoted", at, version, bake_until=until)

    def started(self, at, version, champion, plan) -> "RolloutStory":
        case = FLIGHTS.model_copy(update={"rollout": plan})
        evidence = plan_rollout(case, champion)
        assert evidence is not None
        return self.tell("rollout_started", at, version, **evidence.to_json())

    def grown(self, at) -> "RolloutStory":
        rolls = find_rollout(self.entries)
        assert rolls is not None
        evidence = next_rollout_stage(rolls)
        assert evidence is not None
        return self.tell("rollout_grown", at, rolls.version, **evidence.to_json())

    def cast(self, start, end) -> list[tuple]:
        """(from, to, champion, challenger, share, previous), in days."""
        found = list_routes(self.entries, rollout_day(start), rollout_day(end))
        return [
            (
                (c.start - START) / DAY, (c.end - START) / DAY,
                c.champion, c.challenger, c.share, c.previous,
            )
            for c in found
        ]  # fmt: skip


CANARY = Canary(shares=(0.1, 0.5), unit=("carrier",), step=WEEK)
