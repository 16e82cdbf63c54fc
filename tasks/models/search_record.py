"""Record of a search of parameters: its trials in order, as kept on disk and on the card."""

from __future__ import annotations

from statistics import fmean
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from configs.schema.training import Params


class SearchTrial(BaseModel):
    """One trial: its parameters and the metric of each fold; a pruned trial has fewer folds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: Params
    folds: tuple[float, ...]
    pruned: bool
    error: str = Field("", description="why the estimator refused the parameters")
    seconds: float

    @property
    def value(self) -> float:
        """The mean metric of its folds."""
        return fmean(self.folds)


class SearchRecord(BaseModel):
    """A search of one candidate's parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidate: str = Field(description="the candidate in the YAML whose parameters were searched")
    metric: str
    direction: Literal["minimize", "maximize"]
    first: tuple[Params, ...] = Field(description="tried first: the YAML's, and the last winner's")
    trials: tuple[SearchTrial, ...] = ()

    @property
    def seconds(self) -> float:
        """The time of all trials."""
        return sum(trial.seconds for trial in self.trials)

    @property
    def best(self) -> SearchTrial:
        """The best trial that has all folds; of equal ones the first."""
        complete = [trial for trial in self.trials if not trial.pruned]
        sign = 1 if self.direction == "minimize" else -1
        return min(complete, key=lambda trial: sign * trial.value)
