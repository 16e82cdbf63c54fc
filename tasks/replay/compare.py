"""What the policies came to on the same labelled rows: by week, as a whole, against each other.

Everything here follows from the predictions, ledgers and labels that a replay keeps, so it comes
out the same each time; what it cost to compute is told apart (left.spent).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Difference, block_mean, compare_models, draw_blocks
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import read_predictions
from tasks.ledger.log import Entry
from tasks.replay.plan import ReplayPlan, window_ends
from tasks.replay.policy_metrics import (
    NUMBER_SCHEMA,
    PolicySpan,
    measure_policy,
    measure_row_costs,
    pair_with_itself,
)
from tasks.replay.policy_results import (
    count_scored,
    keep_common_rows,
    read_judged_predictions,
    read_policy_ledger,
)
from tasks.replay.run import Replay

_COUNTED = {
    "alerts": "alert_raised", "retrains": "candidate_registered", "promotions": "promoted",
    "refusals": "refused", "rollbacks": "rolled_back",
}  # fmt: skip


@dataclass(frozen=True)
class PolicyOutcome:
    """What one policy came to over the whole period.

    `counts`: alerts, and retrains, promotions, refusals and rollbacks after the first champion.
    `scored`: answers, in shadow too. `regret`: cost beyond that of the policy of least cost, in
    total; `best`: in which share of the resampled periods it has the least cost itself.
    """

    policy: str
    title: str
    counts: dict[str, int]
    scored: int
    regret: float
    best: float


@dataclass(frozen=True)
class PolicyComparison:
    """A replay's numbers. `numbers`: NUMBER of every week and of the whole period; `regrets`: what
    a policy cost beyond the best one up to the end of each week (policy, end, regret);
    `differences` of each pair of policies, the first as challenger.
    """

    numbers: pl.DataFrame
    regrets: pl.DataFrame
    outcomes: tuple[PolicyOutcome, ...]
    differences: dict[tuple[str, str], tuple[Difference, ...]]
    entries: dict[str, tuple[Entry, ...]]

    @property
    def subjects(self) -> list[str]:
        """What was measured, in its order."""
        return self.numbers["subject"].unique(maintain_order=True).to_list()

    @property
    def distinct(self) -> dict[str, list[str]]:
        """The first of all policies that gave the same answers, and its name with theirs."""
        found: dict[str, list[str]] = {}
        answered = self.numbers["policy"].unique(maintain_order=True)
        for policy in answered:
            like = (p for p in found if all(map(are_same_decisions, self.differences[p, policy])))
            found.setdefault(next(like, policy), []).append(policy)
        return found

    @property
    def best(self) -> PolicyOutcome:
        """The policy of least cost; of equal ones the first."""
        return min(self.outcomes, key=lambda outcome: outcome.regret)


def compare_policies(replay: Replay) -> PolicyComparison:
    """All numbers of a finished replay."""
    plan, use_case = replay.plan, replay.plan.use_case
    answered = keep_common_rows(
        use_case, {name: read_judged_predictions(replay, name) for name in replay.jobs}
    )
    length = use_case.monitor.window
    weeks = [(end - length, end) for end in window_ends(plan.start, plan.end, length)]
    found = [
        number
        for name, rows in answered.items()
        for span in [*weeks, (plan.start, plan.end)]
        for number in measure_policy(use_case, name, rows, span)
    ]
    charged = {name: measure_row_costs(use_case, rows) for name, rows in answered.items()}
    entries = {name: read_policy_ledger(replay, name) for name in replay.jobs}
    return PolicyComparison(
        numbers=pl.DataFrame(found, schema=NUMBER_SCHEMA, orient="row"),
        regrets=_regrets(use_case, answered, charged, weeks),
        outcomes=tuple(_outcomes(replay, answered, charged, entries)),
        differences=measure_differences(use_case, answered),
        entries=entries,
    )


def measure_differences(
    use_case: UseCase, answered: Mapping[str, pl.DataFrame]
) -> dict[tuple[str, str], tuple[Difference, ...]]:
    """Each pair of policies, days drawn together; all pairs share one error rate."""
    pairs = list(combinations(answered, 2))
    found = {}
    for one, other in pairs:
        new, old = (read_predictions(use_case, answered[name]) for name in (one, other))
        of = compare_models(use_case, answered[one], new, old, looks=len(pairs), sliced=False)
        found[one, other] = tuple(of)
    return found


def read_weekly(found: PolicyComparison, plan: ReplayPlan, subject: str) -> pl.DataFrame:
    """The numbers of a subject by week, without those of the whole period."""
    whole = (pl.col("start") == plan.start) & (pl.col("end") == plan.end)
    return found.numbers.filter(pl.col("subject") == subject, ~whole)


def are_same_decisions(found: Difference) -> bool:
    """Whether two policies gave the same answers, as far as a subject tells."""
    return found.improvement == found.low == found.high == 0


def save_comparison(found: PolicyComparison, folder: Path) -> Path:
    """Write the numbers as Parquet; the file."""
    path = folder / "numbers.parquet"
    found.numbers.write_parquet(path)
    return path


def _outcomes(
    replay: Replay,
    answered: Mapping[str, pl.DataFrame],
    charged: Mapping[str, Floats],
    entries: Mapping[str, Sequence[Entry]],
) -> Iterator[PolicyOutcome]:
    totals = {name: float(cost.sum()) for name, cost in charged.items()}
    least = min(totals.values(), default=0.0)
    shares = _best_shares(replay.plan.use_case, answered, charged)
    for name, job in replay.jobs.items():
        counts = {
            what: sum(e.what == kind for e in entries[name]) for what, kind in _COUNTED.items()
        }
        for what in ("retrains", "promotions"):  # the first champion is no retraining
            counts[what] = max(counts[what] - 1, 0)
        regret, share = totals.get(name, float("inf")) - least, shares.get(name, 0.0)
        yield PolicyOutcome(
            name, job.policy.title, counts, count_scored(replay, name), regret, share
        )


def _best_shares(
    use_case: UseCase, answered: Mapping[str, pl.DataFrame], charged: Mapping[str, Floats]
) -> dict[str, float]:
    """In which share of the resampled periods each policy has the least cost; ties are shared."""
    if not charged:
        return {}
    pair = pair_with_itself(use_case, next(iter(answered.values())))
    draws = draw_blocks(pair.drawn, use_case.gate.resamples, use_case.seed)
    found = np.stack([block_mean(pair, cost)(draws) for cost in charged.values()])
    best = np.isclose(found, found.min(axis=0), rtol=1e-12, atol=0)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return dict(zip(charged, shares.tolist(), strict=True))


def _regrets(
    use_case: UseCase,
    answered: Mapping[str, pl.DataFrame],
    charged: Mapping[str, Floats],
    weeks: Sequence[PolicySpan],
) -> pl.DataFrame:
    """What each policy cost beyond the best one, summed up to the end of each week."""
    best = min(charged, key=lambda name: float(charged[name].sum()), default="")
    rows = []
    for name, frame in answered.items():
        beyond, times = charged[name] - charged[best], frame[use_case.spine.time]
        rows += [(name, end, float(beyond[(times < end).to_numpy()].sum())) for _, end in weeks]
    schema = {"policy": pl.String(), "end": pl.Datetime("us", "UTC"), "regret": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
