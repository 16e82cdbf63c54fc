"""KPIs: the mean or sum of an expression, its interval, and two models on the same rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.training import Kpi
from configs.schema.use_case import UseCase
from tasks.evaluation.bootstrap import Predictions
from tasks.evaluation.kpis.measure import compare_kpis, list_kpi_inputs, measure_kpi
from tasks.monitoring.performance import measure_kpis
from tasks.promotion.gate import judge_predictions
from tests.support.gated_rows import NOON, gated_use_case, lines, rows_scores_and_noise
from tests.support.overview_state import write_use_case

SAVED = Kpi(
    title="Money saved",
    expression="CASE WHEN decision AND late = 1 THEN 3.0 WHEN decision THEN -1.0 ELSE 0.0 END",
)
ROWS, SCORE, NOISE = rows_scores_and_noise()
GOOD, BAD = (Predictions(values, values > 0.5) for values in (SCORE, NOISE))


def use_case_with(**kpis: Kpi) -> UseCase:
    return gated_use_case().model_copy(update={"kpis": kpis})


def saved(decision: np.ndarray) -> np.ndarray:
    return np.where(decision, np.where(ROWS["late"].to_numpy() == 1, 3.0, -1.0), 0.0)


def test_a_kpi_is_the_mean_of_its_numbers_and_its_sum_all_of_them() -> None:
    case = use_case_with()
    mean = measure_kpi(case, SAVED, ROWS, GOOD)
    total = measure_kpi(case, SAVED.model_copy(update={"total": "sum"}), ROWS, GOOD)
    assert mean is not None
    assert total is not None
    assert mean.value == pytest.approx(saved(GOOD.decision).mean())
    assert total.value == pytest.approx(saved(GOOD.decision).sum())
    assert mean.low is not None
    assert mean.high is not None
    assert mean.low < mean.value < mean.high
    assert total.low == pytest.approx(mean.low * len(SCORE))


def test_rows_without_a_number_are_left_out() -> None:
    kpi = Kpi(expression="CASE WHEN decision THEN 1.0 * late END")
    measured = measure_kpi(use_case_with(), kpi, ROWS, GOOD)
    assert measured is not None
    assert measured.value == pytest.approx(ROWS["late"].to_numpy()[GOOD.decision].mean())
    never = Kpi(expression="CASE WHEN probability > 9 THEN 1.0 END")
    assert measure_kpi(use_case_with(), never, ROWS, GOOD) is None
    assert compare_kpis(use_case_with(never=never), ROWS, GOOD, BAD) == []


def test_few_blocks_have_no_interval() -> None:
    day = ROWS.with_columns(pl.lit(NOON).alias("prediction_time"))
    measured = measure_kpi(use_case_with(), SAVED, day, GOOD)
    assert measured is not None
    assert (measured.low, measured.high) == (None, None)


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_two_models_are_compared_on_the_same_rows(better: str, sign: int) -> None:
    kpi = SAVED.model_copy(update={"better": better})
    (difference,) = compare_kpis(use_case_with(saved=kpi), ROWS, GOOD, BAD)
    gain = saved(GOOD.decision).mean() - saved(BAD.decision).mean()
    assert difference.subject == "kpi saved"
    assert difference.improvement == pytest.approx(sign * gain)
    assert difference.low < difference.improvement < difference.high
    assert (difference.low > 0) == (sign > 0)


@pytest.mark.parametrize(
    ("better", "margin", "verdict"),
    [("higher", None, "not asked"), ("lower", None, "not asked"), ("higher", 0.0, "pass"),
     ("lower", 0.0, "fail"), ("lower", 9.0, "pass")],
)  # fmt: skip
def test_the_gate_informs_of_a_kpi_or_requires_it(better: str, margin: float, verdict: str) -> None:
    kpi = SAVED.model_copy(update={"better": better, "gate_margin": margin})
    decision = judge_predictions(use_case_with(saved=kpi), ROWS, GOOD, BAD)
    assert lines(decision)["kpi saved"] == verdict
    assert "kpi saved" in decision.evidence.differences
    assert (decision.verdict == "fail") == (verdict == "fail")
    assert ("kpi saved" in decision.reason) == (verdict == "fail")


def test_a_kpi_of_an_input_that_is_not_there_is_named_in_the_gate() -> None:
    kpi = Kpi(expression="distance * late", gate_margin=0)
    case = use_case_with(far=kpi)
    assert list_kpi_inputs(case) == ["distance"]
    assert lines(judge_predictions(case, ROWS, GOOD, BAD))["kpi far"] == "not asked"
    with_input = ROWS.with_columns(pl.lit(100, pl.Int16).alias("distance"))
    assert measure_kpi(case, kpi, with_input, GOOD).value == pytest.approx(  # type: ignore[union-attr]
        100 * ROWS["late"].mean()
    )


def test_a_gate_without_kpis_has_the_lines_of_before() -> None:
    decision = judge_predictions(use_case_with(), ROWS, GOOD, BAD)
    assert not [name for name in lines(decision) if name.startswith("kpi")]
    assert "kpis" not in gated_use_case().model_dump()


def rows_of_two_versions(**columns: object) -> pl.DataFrame:
    """Used predictions of a window, half of them by another version."""
    return ROWS.select(
        "late", "prediction_time", pl.Series("probability", SCORE),
        pl.Series("decision", GOOD.decision),
        pl.Series("model_version", np.arange(len(SCORE)) % 2 + 1),
    ).with_columns(**columns)  # fmt: skip


def test_a_window_has_the_kpi_of_all_rows_and_of_each_version() -> None:
    measured = measure_kpis(use_case_with(saved=SAVED), rows_of_two_versions(), NOON)
    assert [each.subject for each in measured] == ["saved", "saved:v1", "saved:v2"]
    assert {each.kind for each in measured} == {"kpi"}
    assert {each.verdict for each in measured} == {None}
    assert measured[0].value == pytest.approx(saved(GOOD.decision).mean())
    alone = measure_kpis(
        use_case_with(saved=SAVED), rows_of_two_versions(model_version=pl.lit(3)), NOON
    )
    assert [each.subject for each in alone] == ["saved"]


def test_an_immature_window_has_no_value() -> None:
    late = pl.when(pl.col("probability") < 0.5).then("late")
    (measured,) = measure_kpis(use_case_with(saved=SAVED), rows_of_two_versions(late=late), NOON)
    assert measured.value is None
    assert 0 < measured.coverage < 0.8  # type: ignore[operator]
    (nothing,) = measure_kpis(use_case_with(saved=SAVED), rows_of_two_versions().clear(), NOON)
    assert (nothing.value, nothing.coverage) == (None, 0.0)


def test_classes_and_numbers_are_what_the_yaml_calls_them() -> None:
    from tasks.evaluation.problem_types import PROBLEM_TYPES

    label = load_use_case("flights").label.model_copy(
        update={"kind": "multiclass", "classes": ("on time", "late", "cancelled")}
    )
    case = use_case_with().model_copy(update={"label": label})
    kind = PROBLEM_TYPES["multiclass"](label.classes)
    codes = np.arange(len(SCORE)) % 3
    rows = ROWS.with_columns(pl.Series("late", codes, pl.Int8))
    predictions = Predictions(np.full((len(SCORE), 3), 1 / 3), codes)
    assert kind.to_decision_column(codes)[1] == "late"
    kpi = Kpi(expression="CASE WHEN decision = 'late' AND late = 'late' THEN 1 ELSE 0 END")
    measured = measure_kpi(case, kpi, rows, predictions)
    assert measured is not None
    assert measured.value == pytest.approx(1 / 3, abs=1e-3)


def test_a_bad_expression_names_file_field_and_fix(tmp_path, monkeypatch) -> None:
    import yaml

    from configs.settings import settings

    write_use_case(tmp_path, "calm")
    path = tmp_path / "calm.yaml"
    content = yaml.safe_load(path.read_text())
    monkeypatch.setenv("MAINSPRING_USE_CASES", str(tmp_path))
    settings.cache_clear()
    for expression in ("delay * late", "SUM(late)", "late +"):
        path.write_text(yaml.safe_dump(content | {"kpis": {"saved": {"expression": expression}}}))
        with pytest.raises(BadConfig, match=r"calm.yaml is invalid(.|\n)*kpis.saved.expression"):
            load_use_case("calm")
    settings.cache_clear()
