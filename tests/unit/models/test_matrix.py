"""The matrix: its order, its type, and what becomes of what was never seen."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.errors import BadModel
from configs.schema.data import Features
from tasks.models.matrix import InputSchema, build_matrix
from tasks.training.fit import learn_schema

FEATURES = Features(
    module="m",
    views=("v",),
    service="s",
    numeric=("distance", "wet"),
    categorical=("carrier", "gate"),
)
ROWS = pl.DataFrame(
    {
        "carrier": ["UA", "AA", None, "UA"],
        "distance": [1400.0, None, float("inf"), 1e300],
        "wet": [True, False, None, True],
        "gate": [3, 10, 3, None],
        "unrelated": ["x"] * 4,
    }
)


def test_columns_come_in_the_schemas_order_as_float32():
    schema = learn_schema(FEATURES, ROWS)
    matrix = build_matrix(ROWS, schema)
    assert schema.inputs == ("distance", "wet", "carrier", "gate")
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    np.testing.assert_array_equal(matrix[0], [1400, 1, 1, 1])  # "10" sorts before "3"


def test_what_is_no_number_is_nan():
    matrix = build_matrix(ROWS, learn_schema(FEATURES, ROWS))
    np.testing.assert_array_equal(np.isnan(matrix[:, 0]), [False, True, True, True])
    np.testing.assert_array_equal(np.isnan(matrix[:, 1]), [False, False, True, False])


def test_unseen_and_missing_categories_have_codes_of_their_own():
    schema = learn_schema(FEATURES, ROWS)
    new = ROWS.head(3).with_columns(carrier=pl.Series(["AA", "ZZ", None]))
    np.testing.assert_array_equal(build_matrix(new, schema)[:, 2], [0, 2, 3])


def test_a_column_of_nulls_only_still_gives_a_matrix():
    empty = pl.DataFrame({"distance": [None], "wet": [None], "carrier": [None], "gate": [None]})
    schema = learn_schema(FEATURES, empty.cast({"distance": pl.Float64, "wet": pl.Boolean}))
    matrix = build_matrix(empty.cast({"distance": pl.Float64, "wet": pl.Boolean}), schema)
    np.testing.assert_array_equal(matrix, [[np.nan, np.nan, 1, 1]])


def test_the_schema_survives_json():
    schema = learn_schema(FEATURES, ROWS)
    assert InputSchema.model_validate_json(schema.model_dump_json()) == schema


@given(st.lists(st.sampled_from(["a", "b", "ü", "", None, "never seen"]), min_size=1, max_size=30))
def test_build_matrix_codes_a_category_without_other_rows(values):
    schema = InputSchema(numeric=(), categorical=("c",), vocabulary={"c": ("", "a", "b", "ü")})
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    together = build_matrix(frame, schema)
    alone = np.vstack([build_matrix(frame[i], schema) for i in range(frame.height)])
    np.testing.assert_array_equal(together, alone)


def test_a_missing_column_is_named():
    with pytest.raises(BadModel, match="carrier, gate"):
        build_matrix(ROWS.drop("carrier", "gate"), learn_schema(FEATURES, ROWS))


def test_text_where_a_number_belongs_is_named():
    with pytest.raises(BadModel, match=r"distance \(String\)"):
        build_matrix(ROWS.with_columns(distance=pl.lit("far")), learn_schema(FEATURES, ROWS))
