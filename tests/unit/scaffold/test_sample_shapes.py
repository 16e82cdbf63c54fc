"""A sample of any shape ends in a use case that lands it without loss, or in one sentence."""

from __future__ import annotations

import ast
import keyword
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.ingestion.parsing.file_schema import parse_file
from tasks.scaffold.column_names import OWN_NAMES, map_names
from tasks.scaffold.plan import GivenAnswers, ScaffoldPlan
from tasks.scaffold.render import render_files
from tasks.scaffold.resolution.resolve import make_plan
from tests.support.sample_shapes import SHAPES, Shape, make_parcels

START = datetime(2024, 1, 1, 0, 30, tzinfo=UTC)


def take_proposal(flag: str, question: str, proposal: str) -> str:
    if not proposal:
        raise BadConfig(f"{flag} is missing ({question})")
    return proposal


def plan_shape(shape: Shape, folder: Path) -> ScaffoldPlan:
    shape.write(make_parcels(), folder)
    files = str(shape.flags.get("tables", "[Pp]arcels.*"))
    usual = {"label": "parcels.damaged", "after": "3d", **shape.flags}
    usual["tables"] = {"parcels": f"{folder}/{files}"}
    return make_plan(GivenAnswers(name="shape", **usual), take_proposal)


def read_written(files: dict[str, bytes]) -> UseCase:
    """The YAML of rendered files; every Python file compiles."""
    for path, content in files.items():
        if path.endswith(".py"):
            ast.parse(content)
    return UseCase.model_validate(yaml.safe_load(files["configs/shape.yaml"]))


@pytest.mark.parametrize("shape", [s for s in SHAPES.values() if not s.error],
                         ids=[name for name, s in SHAPES.items() if not s.error])  # fmt: skip
def test_a_sample_lands_as_its_use_case_declares_it(shape: Shape, tmp_path: Path) -> None:
    plan = plan_shape(shape, tmp_path)
    files = render_files(plan)
    table = read_written(files).tables["parcels"]
    landed = pl.concat(
        parse_file(path.read_bytes(), path.name, table) for path in sorted(tmp_path.iterdir())
    )
    assert landed.equals(plan.subject.sample.rows)
    assert landed.height == 400
    assert landed[plan.subject.keys[0]].null_count() == 0
    known = landed[plan.subject.known]
    assert known[1] - known[0] == timedelta(hours=8)
    assert known[0] == START
    (name,) = (path for path in files if path.startswith("tests/use_cases/shape/"))
    written = parse_file(files[name], name, table)
    assert written.equals(landed.head(200))


@pytest.mark.parametrize("shape", [s for s in SHAPES.values() if s.error],
                         ids=[name for name, s in SHAPES.items() if s.error])  # fmt: skip
def test_a_sample_without_a_use_case_ends_in_a_sentence(shape: Shape, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=shape.error):
        plan_shape(shape, tmp_path)


def test_names_and_types_of_odd_columns_are_kept_in_the_yaml(tmp_path: Path) -> None:
    plan = plan_shape(SHAPES["names"], tmp_path)
    columns = read_written(render_files(plan)).tables["parcels"].columns
    assert {name: column.source for name, column in columns.items()} == {
        "parcel_id": "Parcel ID", "depot": "Dépôt", "total_weight": "Total Weight",
        "data_from": "From", "sent": None, "data_class": "Class",
    }  # fmt: skip
    assert plan.label.column == "data_class"


def test_formats_are_recognised_and_kept(tmp_path: Path) -> None:
    plan = plan_shape(SHAPES["semicolons"], tmp_path)
    assert plan.subject.sample.csv_options == {"separator": ";", "decimal": ","}
    (tmp_path / "parcels.csv").unlink()
    plan = plan_shape(SHAPES["backslash N"], tmp_path)
    assert plan.subject.sample.csv_options == {"nulls": ("\\N",)}
    assert plan.subject.sample.columns["weight"] == "number"
    assert plan.subject.sample.rows["weight"].null_count() == 20


NAMES = st.one_of(
    st.sampled_from([*sorted(OWN_NAMES), *keyword.kwlist, "Weight", "weight", "WEIGHT", "_known"]),
    st.text(min_size=1, max_size=50),
)


@given(st.lists(NAMES, unique=True, min_size=1, max_size=20))
def test_any_names_become_safe_and_different_ones(originals: list[str]) -> None:
    names = map_names(originals)
    assert list(names) == originals
    assert len(set(names.values())) == len(originals)
    for original, name in names.items():
        assert name.isidentifier()
        assert name.isascii()
        assert not keyword.iskeyword(name)
        assert name not in OWN_NAMES
        assert not name.startswith("_")
        assert len(name) <= 41
        assert map_names([name]) == {name: name}, original


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([*sorted(OWN_NAMES), *keyword.kwlist, "Total Weight", "é", "a-b", "a.b"]),
        unique=True, min_size=6, max_size=6,
    )
)  # fmt: skip
def test_a_use_case_of_our_own_names_is_valid_and_lands(tmp_path: Path, names: list[str]) -> None:
    rows = make_parcels()
    rows = rows.rename(dict(zip(rows.columns, names, strict=True)))
    buffer = BytesIO()
    rows.write_parquet(buffer)
    (tmp_path / "parcels.parquet").write_bytes(buffer.getvalue())
    given_answers = GivenAnswers(
        name="shape", tables={"parcels": f"{tmp_path}/parcels.parquet"},
        keys={"parcels": names[0]}, event_time={"parcels": names[4]}, label=f"parcels.{names[5]}",
    )  # fmt: skip
    plan = make_plan(given_answers, take_proposal)
    case = read_written(render_files(plan))
    landed = parse_file(buffer.getvalue(), "parcels.parquet", case.tables["parcels"])
    assert landed.height == 400
    assert not OWN_NAMES & {*case.features.inputs, *case.spine.key, case.label.column}
