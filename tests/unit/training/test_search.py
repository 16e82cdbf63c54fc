"""A search reads the train span alone, goes on after a kill, and ends the same for one seed."""

import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadConfig, NoRows
from configs.schema.training import ParamRange, Search
from configs.schema.yaml_file import read_yaml
from configs.settings import settings
from tasks.models.search_record import SearchRecord
from tasks.training import search as module
from tasks.training.fit import split_training_rows
from tasks.training.search import build_tuned_candidate, search_candidate, split_folds
from tests.support.flights import END, january, quick_use_case

SPACE = {"max_leaf_nodes": [4, 30], "learning_rate": "log[0.02, 0.4]", "max_features": [0.5, 1.0]}


def read(path: Path) -> SearchRecord:
    return SearchRecord.model_validate_json(path.read_bytes())


def search_case(**fields):
    search = Search.model_validate({"trials": 7, "folds": 2, "params": SPACE, **fields})
    case = quick_use_case()
    boosting = case.candidates["boosting"]
    small = boosting.model_copy(update={"params": {**boosting.params, "max_iter": 6}})
    candidates = {**case.candidates, "boosting": small}
    return case.model_copy(update={"search": search, "candidates": candidates})


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A function that moves to an empty state folder."""

    def move(name: str) -> Path:
        monkeypatch.setenv("MAINSPRING_STATE", str(tmp_path / name))
        settings.cache_clear()
        return tmp_path / name / "searches" / "flights"

    yield move
    monkeypatch.undo()
    settings.cache_clear()


def trials_of(record: SearchRecord) -> list[tuple]:
    return [(each.params, each.folds, each.pruned) for each in record.trials]


def spoil(rows: pl.DataFrame, start) -> pl.DataFrame:
    """Return the rows with garbage from `start` on: other labels, numbers and categories."""
    later = pl.col("prediction_time") >= start
    return rows.with_columns(
        late=pl.when(later).then(1 - pl.col("late")).otherwise("late"),
        distance=pl.when(later).then(-1e6).otherwise("distance"),
        carrier=pl.when(later).then(pl.lit("??")).otherwise("carrier"),
    )


def test_validation_and_holdout_are_never_read(state):
    case = search_case()
    parts = split_training_rows(case, january(), END)
    records = []
    for name, rows in (
        ("as it is", january()),
        ("spoiled", spoil(january(), parts.validation_start)),
    ):
        state(name)
        records.append(search_candidate(case, split_training_rows(case, rows, END)))
    assert trials_of(records[0]) == trials_of(records[1])
    assert any(trial.pruned for trial in records[0].trials)
    assert len({str(trial.params) for trial in records[0].trials}) == 7


def test_folds_are_in_order_of_time_and_inside_the_train_span():
    case = search_case()
    parts = split_training_rows(case, january(), END)
    folds = split_folds(case, parts, 3)
    time = case.spine.time
    for fold, following in zip(folds, [*folds[1:], None], strict=True):
        assert fold.train[time].max() < fold.validation[time].min()
        assert fold.holdout.is_empty()
        if following is not None:
            assert following.train.height == fold.train.height + fold.validation.height
    assert folds[-1].validation[time].max() == parts.train[time].max()


def test_a_killed_search_goes_on_where_it_was_and_ends_the_same(state, monkeypatch):
    """Killed at every write, before and after it."""
    case = search_case()
    parts = split_training_rows(case, january(), END)
    state("whole")
    whole = search_candidate(case, parts)
    folder = state("killed")
    write, counts = module.write_atomically, []

    def write_and_die(path, content):
        if len(counts) % 2:
            write(path, content)
        raise KeyboardInterrupt

    def write_once(path, content):
        """Write what a killed process had not; die at the next write."""
        monkeypatch.setattr(module, "write_atomically", write_and_die)
        write(path, content)

    for first in [write_and_die, write_once, write_and_die, write_once, write_and_die] * 2:
        monkeypatch.setattr(module, "write_atomically", first)
        with suppress(KeyboardInterrupt):
            search_candidate(case, parts)
        counts.append(max((len(read(path).trials) for path in folder.glob("*.json")), default=-1))
    assert counts == sorted(counts)
    assert len(set(counts)) > 4
    monkeypatch.setattr(module, "write_atomically", write)
    resumed = search_candidate(case, parts)
    assert trials_of(resumed) == trials_of(whole)
    assert read(*folder.glob("*.json")) == resumed == search_candidate(case, parts)


def test_a_search_begins_with_the_settings_of_the_yaml_and_the_last_winner(state):
    case = search_case(trials=2)
    params = {"max_leaf_nodes": 9, "learning_rate": 0.1}
    boosting = case.candidates["boosting"]
    boosting = boosting.model_copy(update={"params": {**boosting.params, **params}})
    case = case.model_copy(update={"candidates": {**case.candidates, "boosting": boosting}})
    state("one")
    before = search_candidate(case, split_training_rows(case, january(), END - timedelta(days=1)))
    assert before.first == ({**params, "max_features": 1.0},)
    after = search_candidate(case, split_training_rows(case, january(), END))
    assert after.first == (*before.first, before.best.params)
    assert [trial.params for trial in after.trials] == list(after.first)


def test_the_tuned_candidate_keeps_what_was_not_searched(state):
    case = search_case(trials=1, candidate="boosting")
    state("one")
    record = search_candidate(case, split_training_rows(case, january(), END))
    tuned = build_tuned_candidate(case, record)
    assert tuned.params["max_iter"] == 6
    assert tuned.params.items() >= record.best.params.items()


def test_a_budget_cuts_the_sequence_and_changes_no_trial(state):
    case = search_case()
    parts = split_training_rows(case, january(), END)
    state("whole")
    whole = search_candidate(search_case(trials=3), parts)
    state("cut")
    cut = search_candidate(search_case(budget=timedelta(microseconds=1)), parts)
    assert trials_of(cut) == trials_of(whole)[:1]


def test_parameters_that_do_not_go_together_are_a_failed_trial(state):
    params = {"penalty": ["l1", "l2"], "C": "log[0.01, 1]"}
    case = search_case(trials=4, params=params, candidate="logistic")
    state("some")
    record = search_candidate(case, split_training_rows(case, january(), END))
    failed = [trial for trial in record.trials if trial.error]
    assert {trial.params["penalty"] for trial in failed} <= {"l1"}
    assert record.best.params["penalty"] == "l2"
    never = search_case(trials=2, params={"penalty": ["l1"]}, candidate="logistic")
    with pytest.raises(BadConfig, match="no trial of the search"):
        search_candidate(never, split_training_rows(never, january(), END))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"params": {"depth": [1, 2]}}, "depth are not all parameters of logistic or of boosting"),
        ({"candidate": "logistic"}, "not all parameters of logistic"),
    ],
)
def test_parameters_that_no_candidate_takes_are_named(fields, words):
    with pytest.raises(BadConfig, match=words):
        module.find_searched_candidate(search_case(**fields))


def test_a_fold_with_one_label_names_the_fields():
    case = search_case(folds=10)
    parts = split_training_rows(case, january(), END)
    quiet = parts.train.with_columns(late=pl.lit(0, pl.Int8))
    with pytest.raises(NoRows, match=r"search\.folds"):
        split_folds(case, replace(parts, train=quiet), 10)


def test_without_optuna_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna.distributions", None)
    with pytest.raises(BadConfig, match=r"pip install 'mainspring\[search\]'"):
        module.build_distributions(search_case().search.params)


YAML = (
    "search: {trials: 30, budget: 5m, params: {max_iter: [50, 500], learning_rate: log[0.01, 0.3]}}"
)


def test_the_yaml_of_a_search_reads_ranges_and_choices(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(f"{YAML}\n")
    search = Search.model_validate(read_yaml(path, "")["search"])
    assert search.params["max_iter"] == ParamRange(low=50, high=500)
    assert search.params["learning_rate"] == ParamRange(low=0.01, high=0.3, log=True)
    assert search.budget == timedelta(minutes=5)
    assert Search.model_validate_json(search.model_dump_json()) == search
    path.write_text("a: log\nb: {c: log, d: [log, x]}\ne: log[1, 2]\nf: {g: log[1, 2], h: 1}\n")
    assert read_yaml(path, "") == {
        "a": "log", "b": {"c": "log", "d": ["log", "x"]}, "e": "log[1, 2]",
        "f": {"g": "log[1, 2]", "h": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, 2.5], {"low": 1, "high": 2.5}),
        (["gini", "entropy"], {"choices": ("gini", "entropy")}),
        ([True, False], {"choices": (True, False)}),
        ([1, 2, 4], {"choices": (1, 2, 4)}),
        ({"choices": [3, 5]}, {"choices": (3, 5)}),
        ("log[1, 100]", {"low": 1, "high": 100, "log": True}),
        ("log[1e-4,1]", {"low": 1e-4, "high": 1, "log": True}),
    ],
)
def test_forms_of_a_range(value, expected):
    assert ParamRange.model_validate(value) == ParamRange(**expected)


@pytest.mark.parametrize("value", [[2, 1], [1, 1], [], "log[0, 1]", "log[1]", "lin[1, 2]", 3, {}])
def test_a_range_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match=r"range|choices|log|valid"):
        ParamRange.model_validate(value)
