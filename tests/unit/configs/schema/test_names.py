"""Names that the data may not have: each is refused with the reason and the way out."""

import pytest
from pydantic import ValidationError

from configs.schema.names import (
    CONTRIBUTION_COLUMNS,
    FEATURE_TIMES,
    LANDED_COLUMNS,
    PREDICTION_COLUMNS,
    own_name,
)
from configs.schema.use_case import UseCase
from tests.support.parcel_rows import PARCELS
from tests.support.small_case_files import SmallDeclaration, SmallLabel, use_case_yaml

ODD = ["__mine", "*", "^a.*$"]


def rename(column: str, name: str) -> UseCase:
    """Parcels with one column renamed."""
    columns = {name if c == column else c: kind for c, kind in PARCELS.columns.items()}
    key = name if column == "parcel" else "parcel"
    table = PARCELS.__class__(columns=columns, keys=(key,))
    label = SmallLabel(name if column == "damaged" else "damaged")
    case = SmallDeclaration("parcels", "nowhere", {"parcels": table}, label)
    return UseCase.model_validate(use_case_yaml(case))


@pytest.mark.parametrize(
    ("column", "field", "names"),
    [
        ("parcel", "spine.keys", (*PREDICTION_COLUMNS, *CONTRIBUTION_COLUMNS, *FEATURE_TIMES)),
        ("damaged", "label.column", PREDICTION_COLUMNS),
        ("weight", "features", FEATURE_TIMES),
        ("weight", "tables.parcels.columns", (*LANDED_COLUMNS, *ODD)),
    ],
)
def test_a_reserved_name_is_refused_with_the_way_out(column, field, names):
    for name in names:
        with pytest.raises(ValidationError) as refused:
            rename(column, name)
        message = str(refused.value)
        assert f"{field}: {name!r} is " in message
        assert f"from: {name}" in message


@pytest.mark.parametrize("column", ["parcel", "weight", "damaged"])
def test_the_time_of_a_prediction_is_no_other_column(column):
    for time in ("prediction_time", "label_known_time"):
        with pytest.raises(ValidationError, match=f"{time}' is also a key, an input or the label"):
            rename(column, time)


@pytest.mark.parametrize("name", ["score", "arm", "probability", "run_id", "value", "used", "late"])
def test_an_input_may_have_any_other_name(name):
    assert name in rename("weight", name).features.numeric


def test_an_own_column_gives_way_to_the_datas():
    assert (own_name("score", ["a"]), own_name("score", ["score"])) == ("score", "__score")
