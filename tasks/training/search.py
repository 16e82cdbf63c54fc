"""Search of a candidate's parameters with Optuna, on folds in time order of the train span.

| train .................................................. | validation | holdout |
| fit ............... | fold 1 | fold 2 | fold 3 |          not read by the search

Each finished trial is written before the next one begins. The proposal of a trial depends on its
number, the seed and the earlier trials alone. So a killed search ends as one that was not killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING, Any

import polars as pl

from configs.errors import BadConfig, NoRows
from configs.schema.training import Candidate, ParamRange, Params, Search
from configs.schema.use_case import TUNED, UseCase
from configs.settings import settings
from infra.fault_injection import effect
from infra.storage.atomic import write_atomically
from tasks.evaluation.metrics import is_better
from tasks.evaluation.problem_types import problem_type_of
from tasks.models.matrix import InputSchema
from tasks.models.search_record import SearchRecord, SearchTrial
from tasks.training.fit import TrainingSplit, fit_candidate
from tasks.training.learners.estimators import build_estimator

if TYPE_CHECKING:
    import optuna

_FOLD_SHARE = 0.5  # of the train rows, the newest ones, that the folds share
_RANDOM_TRIALS = 8  # before the sampler learns from the earlier trials


def search_candidate(use_case: UseCase, parts: TrainingSplit) -> SearchRecord:
    """Search the parameters of a candidate on the train span; go on with a search that was killed.

    Args:
        use_case: the use case, with `search`.
        parts: the rows; validation and holdout are not read.

    Raises:
        BadConfig: no candidate takes the parameters, or Optuna is not installed.
        NoRows: the train span has too few rows for a fold.
    """
    search = _require_search(use_case)
    folds = split_folds(use_case, parts, search.folds)
    path = _find_record(use_case, parts)
    record = _read_record(path) or _begin_record(use_case, search, path)
    limit = search.budget.total_seconds() if search.budget else float("inf")
    while len(record.trials) < search.trials and (record.seconds < limit or not record.trials):
        trial = _run_trial(use_case, search, record, folds)
        record = record.model_copy(update={"trials": (*record.trials, trial)})
        with effect("search trial"):
            write_atomically(path, record.model_dump_json())
    _require_result(use_case, record)
    return record


def _require_result(use_case: UseCase, record: SearchRecord) -> None:
    """Raise BadConfig if no trial could be fitted on all folds."""
    if all(trial.pruned for trial in record.trials):
        errors = ", ".join({trial.error for trial in record.trials if trial.error})
        raise BadConfig(
            f"{use_case.name}: no trial of the search could be fitted on all folds: {errors}. "
            "Correct `search.params`"
        )


def build_tuned_candidate(use_case: UseCase, record: SearchRecord) -> Candidate:
    """Return the searched candidate with the best parameters."""
    return _with_params(use_case.candidates[record.candidate], record.best.params)


def find_searched_candidate(use_case: UseCase) -> str:
    """Return the candidate that `search` names, or the first that takes all of its parameters.

    Raises:
        BadConfig: there is none.
    """
    search = _require_search(use_case)
    named = (search.candidate,) if search.candidate else tuple(use_case.candidates)
    for name in named:
        if set(search.params) <= set(_read_defaults(use_case, name)):
            return name
    raise BadConfig(
        f"search.params: {', '.join(search.params)} are not all parameters of "
        f"{' or of '.join(named)}. Correct the names, or set `search.candidate`"
    )


def split_folds(use_case: UseCase, parts: TrainingSplit, count: int) -> list[TrainingSplit]:
    """Return folds of the train span: each is judged on the rows after those that it fits.

    The folds share the newest half of the rows. Rows of one time stay together.

    Raises:
        NoRows: a fold has one value of the label alone.
    """
    at, label = use_case.spine.time, use_case.label.column
    rows = parts.train.sort(at, maintain_order=True)
    first = rows.height * (1 - _FOLD_SHARE)
    step = rows.height * _FOLD_SHARE / count
    borders = [rows[at][int(first + step * place)] for place in range(count)]
    folds = []
    for start, end in zip(borders, (*borders[1:], parts.validation_start), strict=True):
        fitted = rows.filter(pl.col(at) < start)
        judged = rows.filter(pl.col(at) >= start, pl.col(at) < end)
        if min(fitted[label].n_unique(), judged[label].n_unique()) < 2:
            raise NoRows(
                f"{use_case.name}: a fold of the search, from {start} to {end}, or the rows before "
                "it have fewer than two labels. Lower `search.folds`, or widen `retrain.window`"
            )
        folds.append(replace(parts, train=fitted, validation=judged, holdout=parts.holdout.clear()))
    return folds


def _require_search(use_case: UseCase) -> Search:
    assert use_case.search is not None  # the pipeline asks before
    return use_case.search


def _with_params(candidate: Candidate, params: Params) -> Candidate:
    return candidate.model_copy(update={"params": {**candidate.params, **params}})


def _read_defaults(use_case: UseCase, name: str) -> dict[str, Any]:
    """Return the parameters of a candidate's estimator with their values."""
    schema = InputSchema(numeric=("a number",), categorical=(), vocabulary={})
    plain = use_case.candidates[name].model_copy(update={"encoding": "ordinal", "numeric": ()})
    estimator = build_estimator(name, plain, schema, use_case.seed, problem_type_of(use_case))
    return dict(estimator.get_params())


def _find_record(use_case: UseCase, parts: TrainingSplit) -> Path:
    """Return the file of the search of these rows with these settings."""
    rows = parts.train.hash_rows(seed=0).sort().to_numpy().tobytes()
    fields = {"search", "candidates", "seed", "evaluation", "features", "label"}
    settings_text = use_case.model_dump_json(include=fields)
    digest = sha256(settings_text.encode() + rows).hexdigest()[:16]
    folder = settings().state / "searches" / use_case.name
    return folder / f"{parts.end:%Y%m%dT%H%M%S}-{digest}.json"


def _read_record(path: Path) -> SearchRecord | None:
    return SearchRecord.model_validate_json(path.read_bytes()) if path.exists() else None


def _begin_record(use_case: UseCase, search: Search, path: Path) -> SearchRecord:
    """Return an empty record, which begins with the YAML's parameters and the last winner's."""
    name = find_searched_candidate(use_case)
    metric = use_case.evaluation.metric
    defaults = _read_defaults(use_case, name)
    starts = [{key: defaults[key] for key in search.params}]
    earlier = sorted(each for each in path.parent.glob("*.json") if each.name < path.name)
    last = _read_record(earlier[-1]) if earlier else None
    if last is not None and last.candidate == name and last.trials:
        starts.append(dict(last.best.params))
    record = SearchRecord(
        candidate=name,
        metric=metric,
        direction="maximize" if is_better(metric, 1, 0) else "minimize",
        first=tuple(start for start in starts if _fits(search, start)),
    )
    write_atomically(path, record.model_dump_json())
    return record


def _fits(search: Search, params: Params) -> bool:
    """Return whether every searched parameter has a value of its range."""
    spaces = build_distributions(search.params)
    return set(params) == set(spaces) and all(
        _contains(search.params[key], value) for key, value in params.items()
    )


def _contains(values: ParamRange, value: object) -> bool:
    if values.choices:
        return value in values.choices
    assert values.low is not None  # the schema checks it
    assert values.high is not None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and values.low <= value <= values.high  # type: ignore[operator]


def build_distributions(
    params: dict[str, ParamRange],
) -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the parameters' ranges as Optuna has them; BadConfig if it is not installed."""
    try:
        from optuna.distributions import (
            CategoricalDistribution,
            FloatDistribution,
            IntDistribution,
        )
    except ImportError as missing:
        raise BadConfig(
            "`search` needs Optuna, which is not installed. Install the extra: "
            "pip install 'mainspring[search]'"
        ) from missing

    spaces: dict[str, Any] = {}
    for name, values in params.items():
        if values.choices:
            spaces[name] = CategoricalDistribution(values.choices)
        elif isinstance(values.low, int) and isinstance(values.high, int):
            spaces[name] = IntDistribution(values.low, values.high, log=values.log)
        else:
            spaces[name] = FloatDistribution(values.low, values.high, log=values.log)
    return spaces


def _run_trial(
    use_case: UseCase, search: Search, record: SearchRecord, folds: Sequence[TrainingSplit]
) -> SearchTrial:
    """Run the next trial of a record, fold by fold, until it ends or is pruned."""
    study, number = _build_study(use_case, search, record), len(record.trials)
    if number < len(record.first):
        study.enqueue_trial(record.first[number])
    proposal = study.ask(build_distributions(search.params))
    candidate = _with_params(use_case.candidates[record.candidate], proposal.params)
    case = use_case.model_copy(update={"candidates": {TUNED: candidate}})
    started, error, values = perf_counter(), "", list[float]()
    try:
        for place, fold in enumerate(folds):
            values.append(fit_candidate(case, TUNED, fold).validation[record.metric])
            proposal.report(fmean(values), place)
            if place + 1 < len(folds) and proposal.should_prune():
                break
    except ValueError as invalid:  # an estimator refuses parameters that do not go together
        error = str(invalid).partition("\n")[0][:200]
    return SearchTrial(
        params=proposal.params,
        folds=tuple(values),
        pruned=len(values) < len(folds),
        error=error,
        seconds=perf_counter() - started,
    )


def _build_study(use_case: UseCase, search: Search, record: SearchRecord) -> optuna.Study:
    """Return a study in memory that knows the trials of a record."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spaces = build_distributions(search.params)
    study = optuna.create_study(
        direction=record.direction,
        # a seed of its own for each trial: the state of a sampler is not kept
        sampler=optuna.samplers.TPESampler(
            seed=use_case.seed * 1000 + len(record.trials), n_startup_trials=_RANDOM_TRIALS
        ),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    for trial in record.trials:
        means = {place: fmean(trial.folds[: place + 1]) for place in range(len(trial.folds))}
        study.add_trial(
            optuna.create_trial(
                state=_state_of(trial),
                value=None if trial.pruned else trial.value,
                params=trial.params,
                distributions=spaces,
                intermediate_values=means,
            )
        )
    return study


def _state_of(trial: SearchTrial) -> optuna.trial.TrialState:
    from optuna.trial import TrialState

    if trial.error:
        return TrialState.FAIL
    return TrialState.PRUNED if trial.pruned else TrialState.COMPLETE
