"""Names of the data never meet names of the program: columns named after ours go all the way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import BadConfig
from configs.schema.names import CONTRIBUTION_COLUMNS, FEATURE_TIMES, PREDICTION_COLUMNS
from tasks.models.registry import open_model
from tasks.monitoring.report import sample_current_rows, sample_reference_rows
from tasks.scoring.explain import explain_prediction
from tests.support.parcel_rows import APRIL, DAY, MARCH, PARCELS, parcel_rows
from tests.support.small_case import SmallCase, SmallLabel, small_case

COLUMNS = tuple(PARCELS.columns)
OURS = (
    *PREDICTION_COLUMNS, *CONTRIBUTION_COLUMNS, *FEATURE_TIMES,
    "score", "version", "late", "label", "count", "time", "index", "window", "as_of", "literal",
    "len", "used", "answer", "fitted", "entity", "block", "cost", "labelled", "position", "rows",
    "column", "key", "name", "at", "kind", "subject", "verdict", "rank", "day", "number", "spine",
    "prediction_time", "label_known_time", "class", "from", "import", "None", "self", "features",
)  # fmt: skip


def go_all_the_way(case: SmallCase, names: dict[str, str]) -> None:
    """Land, train, score, score late rows, monitor, sample and explain."""
    case.land("spring", parcel_rows(MARCH, days=40).rename(names))
    case.ingest(APRIL)
    version = case.train(APRIL)
    case.promote()
    for day in (1, 2):
        rows = parcel_rows(APRIL + (day - 1) * DAY).rename(names)
        case.land(f"day{day}", rows)
        case.ingest(APRIL + day * DAY)
        case.score(APRIL + day * DAY)
    case.score(APRIL + 2 * DAY, "2d")
    measured = case.monitor(APRIL + 2 * DAY)
    key = names["parcel"]
    predicted = case.predictions()
    assert predicted.height == predicted[key].n_unique() == 64
    drift = measured.filter(kind="drift")["subject"].to_list()
    inputs = case.use_case.features.inputs
    assert len(drift) == len(set(drift)) == len(inputs) + 1
    model = open_model(case.name, version)
    for sample in (sample_reference_rows, sample_current_rows):
        rows = sample(case.use_case, model, APRIL + 2 * DAY)
        assert rows.select(*inputs, *model.card.reference.score_names(inputs)).height > 50
    assert rows[names["weight"]].max() > 9, "it is the data's column, not ours"
    explained = explain_prediction(case.use_case, str(predicted[key][0]), APRIL + 2 * DAY)
    assert {each.name for each in explained.inputs} == set(inputs)
    case.assert_rows_add_up()
    case.assert_rows_answered(APRIL + 2 * DAY)


def try_names(folder, names: dict[str, str]) -> str:
    """Go all the way with columns of these names; return why the YAML refuses them, "" if not."""
    columns = {names[column]: kind for column, kind in PARCELS.columns.items()}
    table = replace(PARCELS, columns=columns, keys=(names["parcel"],), event=names["sent"])
    try:
        label = SmallLabel(names["damaged"])
        with small_case(folder, tables={"parcels": table}, label=label) as case:
            case.use_case  # noqa: B018 - it is read
            go_all_the_way(case, names)
    except BadConfig as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    "names",
    [
        ("index", "arm", "score", "version", "probability", "time", "label"),
        ("score", "value", "answer", "used", "run_id", "as_of", "late"),
    ],
    ids=lambda names: names[0],
)
def test_columns_named_after_ours_work_from_file_to_prediction(tmp_path, names):
    assert try_names(tmp_path, dict(zip(COLUMNS, names, strict=True))) == ""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=40, suppress_health_check=[*HealthCheck])
@given(st.permutations(sorted(set(OURS))))
def test_any_of_our_names_works_or_is_refused_with_the_way_out(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    refused = try_names(folder, dict(zip(COLUMNS, names, strict=False)))
    assert not refused or "Give the column another name" in refused or "Set `" in refused
