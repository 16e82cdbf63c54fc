"""Column types guessed from a sample."""

import polars as pl
import pytest

from tasks.scaffold.sample import guess_column_type


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", None, "-2"], "integer"),
        (["1", "2.5"], "number"),
        (["007", "008"], "text"),
        (["True", "false"], "boolean"),
        (["2024-01-31", "2024-02-01 10:00:00"], "time"),
        (["31.01.2024"], "text"),
        ([None], "text"),
    ],
)
def test_the_narrowest_type_that_holds_all(values, kind):
    assert guess_column_type(pl.Series(values, dtype=pl.String)) == kind
