"""Contributions are Shapley values: near the exact ones, additive, the same for the same seed."""

from itertools import combinations
from math import comb
from time import perf_counter

import numpy as np
import polars as pl
import pytest

from tasks.evaluation.metrics import Floats
from tasks.models.matrix import Matrix, build_matrix
from tasks.models.onnx_session import run_onnx
from tasks.models.registry import Model, predict
from tasks.models.row_contributions import explain_rows
from tasks.models.shapley import shapley_values
from tests.support.artifacts import fit_artifact, open_artifact
from tests.support.flights import january, quick_use_case


@pytest.fixture(scope="module")
def model() -> Model:
    use_case = quick_use_case()
    no_slices = use_case.evaluation.model_copy(update={"slices": ()})
    use_case = use_case.model_copy(update={"evaluation": no_slices})
    return open_artifact(fit_artifact(use_case, "boosting"))


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return january().tail(40)


def exact(model: Model, matrix: Matrix, background: Matrix) -> Floats:
    """Shapley values by their definition: over all subsets, and all rows of the background."""
    inputs = matrix.shape[1]

    def value(subset: tuple[int, ...]) -> Floats:
        mixed = np.repeat(background[None], len(matrix), axis=0)
        mixed[:, :, list(subset)] = matrix[:, None, list(subset)]
        answers = run_onnx(model.session, mixed.reshape(-1, inputs))
        return answers.reshape(len(matrix), -1).mean(axis=1)

    found = np.zeros(matrix.shape)
    for j in range(inputs):
        others = [i for i in range(inputs) if i != j]
        for size in range(inputs):
            for subset in combinations(others, size):
                gain = value(tuple(sorted((*subset, j)))) - value(subset)
                found[:, j] += gain / (inputs * comb(inputs - 1, size))
    return found


def test_shapley_values_converge_to_the_exact_ones(model, rows):
    schema = model.card.inputs
    truth = exact(model, build_matrix(rows, schema), build_matrix(model.golden, schema))
    assert np.abs(truth).mean() > 0.005
    errors = [
        np.abs(explain_rows(model, rows, orders, 7) - truth).mean() for orders in (16, 256, 4096)
    ]
    assert errors[0] > 2 * errors[1] > 4 * errors[2]
    assert errors[2] < 0.0005


def test_a_rows_contributions_add_up_to_its_answer(model, rows):
    for orders in (2, 16, 64):
        found = explain_rows(model, rows, orders, 0)
        base = predict(model, rows) - found.sum(axis=1)
        np.testing.assert_allclose(base, base[0], rtol=0, atol=1e-12)
    assert base[0] == pytest.approx(predict(model, model.golden).mean())  # each golden row once


def test_shapley_value_of_a_background_input_is_zero(model, rows):
    same = model.card.inputs.inputs.index("weekday")
    background = build_matrix(model.golden, model.card.inputs)
    matrix = build_matrix(rows, model.card.inputs)
    background[:, same] = matrix[:, same] = 3
    assert not shapley_values(model.session, matrix, background, 16, 0, np.zeros(len(matrix), int))[
        :, same
    ].any()


def test_the_answer_for_a_row_does_not_depend_on_its_company(model, rows):
    whole = explain_rows(model, rows, 16, 3)
    np.testing.assert_array_equal(explain_rows(model, rows[5:7], 16, 3), whole[5:7])
    many = pl.concat([rows] * 40)  # more than one chunk
    np.testing.assert_array_equal(explain_rows(model, many, 16, 3)[-40:], whole)
    assert not np.array_equal(explain_rows(model, rows, 16, 4), whole)


def test_no_rows(model, rows):
    assert explain_rows(model, rows.clear(), 16, 0).shape == (0, 6)


def test_it_is_fast_enough_for_every_flagged_row(model):
    many = pl.concat([january()] * 2).head(6000)
    started = perf_counter()
    explain_rows(model, many, 16, 0)
    assert many.height / (perf_counter() - started) > 1000
