"""Comparison of policies on the same labelled rows: by week, over the period, and in pairs.

All results follow from the predictions, ledgers and labels of a replay, so they are reproducible.
Compute time is not, and is read separately (policy_results.read_cpu_seconds).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from configs.schema.use_case import UseCase
from tasks.evaluation.blocks import choose_common_length, draw_blocks
from tasks.evaluation.bootstrap import Difference, block_mean, compare_models
from tasks.evaluation.metrics import Floats
from tasks.evaluation.prediction_columns import read_predictions
from tasks.ledger.log import Entry
from tasks.ledger.projections import is_refit
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
    """The result of one policy over the whole period.

    `counts`: alerts, and retrains, promotions, refusals and rollbacks after the first champion.
    `scored`: predictions, shadows included. `regret`: total cost beyond that of the cheapest
    policy. `best`: share of the resampled periods in which it is the cheapest.
    """

    policy: str
    title: str
    counts: dict[str, int]
    scored: int
    regret: float
    best: float


@dataclass(frozen=True)
class PolicyComparison:
    """The results of a replay.

    `numbers`: metrics of every week and of the whole period (NUMBER_SCHEMA). `regrets`: cumulative
    cost beyond the best policy at the end of each week (policy, end, regret). `differences`: those
    of each pair of policies, the first as challenger.
    """

    numbers: pl.DataFrame
    regrets: pl.DataFrame
    outcomes: tuple[PolicyOutcome, ...]
    differences: dict[tuple[str, str], tuple[Difference, ...]]
    entries: dict[str, tuple[Entry, ...]]

    @property
    def subjects(self) -> list[str]:
        """The measured subjects, in order."""
        return self.numbers["subject"].unique(maintain_order=True).to_list()

    @property
    def distinct(self) -> dict[str, list[str]]:
        """Groups of policies with the same predictions, by the first policy of each group."""
        groups: dict[str, list[str]] = {}
        for policy in self.numbers["policy"].unique(maintain_order=True):
            equal = (
                first
                for first in groups
                if all(map(are_same_decisions, self.differences[first, policy]))
            )
            groups.setdefault(next(equal, policy), []).append(policy)
        return groups

    @property
    def best(self) -> PolicyOutcome:
        """The policy of lowest cost; the first one of several."""
        return min(self.outcomes, key=lambda outcome: outcome.regret)


def compare_policies(replay: Replay) -> PolicyComparison:
    """Measure and compare the policies of a finished replay."""
    plan, use_case = replay.plan, replay.plan.use_case
    predictions = keep_common_rows(
        use_case, {name: read_judged_predictions(replay, name) for name in replay.jobs}
    )
    length = use_case.monitor.window
    weeks = [(end - length, end) for end in window_ends(plan.start, plan.end, length)]
    numbers = [
        number
        for name, rows in predictions.items()
        for span in [*weeks, (plan.start, plan.end)]
        for number in measure_policy(use_case, name, rows, span)
    ]
    costs = {name: measure_row_costs(use_case, rows) for name, rows in predictions.items()}
    entries = {name: read_policy_ledger(replay, name) for name in replay.jobs}
    return PolicyComparison(
        numbers=pl.DataFrame(numbers, schema=NUMBER_SCHEMA, orient="row"),
        regrets=_measure_regrets(use_case, predictions, costs, weeks),
        outcomes=tuple(_summarise_policies(replay, predictions, costs, entries)),
        differences=measure_differences(use_case, predictions),
        entries=entries,
    )


def measure_differences(
    use_case: UseCase, predictions: Mapping[str, pl.DataFrame]
) -> dict[tuple[str, str], tuple[Difference, ...]]:
    """Compare each pair of policies on resampled blocks; all pairs share one error rate."""
    pairs = list(combinations(predictions, 2))
    differences = {}
    for one, other in pairs:
        new, old = (read_predictions(use_case, predictions[name]) for name in (one, other))
        rows = predictions[one]
        compared = compare_models(use_case, rows, new, old, share=1 / len(pairs), sliced=False)
        differences[one, other] = tuple(compared)
    return differences


def read_weekly(comparison: PolicyComparison, plan: ReplayPlan, subject: str) -> pl.DataFrame:
    """Return the numbers of a subject by week, without those of the whole period."""
    whole = (pl.col("start") == plan.start) & (pl.col("end") == plan.end)
    return comparison.numbers.filter(pl.col("subject") == subject, ~whole)


def are_same_decisions(difference: Difference) -> bool:
    """Return whether two policies do not differ in a subject, in no resampled period."""
    return difference.improvement == difference.low == difference.high == 0


def save_comparison(comparison: PolicyComparison, folder: Path) -> Path:
    """Write the numbers as Parquet; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "numbers.parquet"
    comparison.numbers.write_parquet(path)
    return path


def _summarise_policies(
    replay: Replay,
    predictions: Mapping[str, pl.DataFrame],
    costs: Mapping[str, Floats],
    entries: Mapping[str, Sequence[Entry]],
) -> Iterator[PolicyOutcome]:
    totals = {name: float(cost.sum()) for name, cost in costs.items()}
    least = min(totals.values(), default=0.0)
    shares = _measure_best_shares(replay.plan.use_case, predictions, costs)
    for name, job in replay.jobs.items():
        own = [e for e in entries[name] if not is_refit(e)]  # one training, fitted again
        counts = {what: sum(e.what == kind for e in own) for what, kind in _COUNTED.items()}
        for what in (
            "retrains",
            "promotions",
        ):  # the first training and promotion are no retraining
            counts[what] = max(counts[what] - 1, 0)
        regret, share = totals.get(name, float("inf")) - least, shares.get(name, 0.0)
        yield PolicyOutcome(
            name, job.policy.title, counts, count_scored(replay, name), regret, share
        )


def _measure_best_shares(
    use_case: UseCase, predictions: Mapping[str, pl.DataFrame], costs: Mapping[str, Floats]
) -> dict[str, float]:
    """Return the share of resampled periods in which each policy is cheapest; ties are split."""
    if not costs:
        return {}
    pair = pair_with_itself(use_case, next(iter(predictions.values())))
    gate, measures = use_case.gate, [block_mean(pair, cost) for cost in costs.values()]
    length = choose_common_length(gate, measures, pair.block_count)
    draws = draw_blocks(pair.block_count, gate.resamples, use_case.seed, length)
    means = np.stack([measure(draws) for measure in measures])
    best = np.isclose(means, means.min(axis=0), rtol=1e-12, atol=0)
    shares = (best / best.sum(axis=0)).mean(axis=1)
    return dict(zip(costs, shares.tolist(), strict=True))


def _measure_regrets(
    use_case: UseCase,
    predictions: Mapping[str, pl.DataFrame],
    costs: Mapping[str, Floats],
    weeks: Sequence[PolicySpan],
) -> pl.DataFrame:
    """Return each policy's cumulative cost beyond the best one, at the end of each week."""
    best = min(costs, key=lambda name: float(costs[name].sum()), default="")
    rows = []
    for name, frame in predictions.items():
        beyond, times = costs[name] - costs[best], frame[use_case.spine.time]
        rows += [(name, end, float(beyond[(times < end).to_numpy()].sum())) for _, end in weeks]
    schema = {"policy": pl.String(), "end": pl.Datetime("us", "UTC"), "regret": pl.Float64()}
    return pl.DataFrame(rows, schema=schema, orient="row")
