"""A changed view: its history is rebuilt, or it is refused while the champion needs the old one."""

import sys
from collections.abc import Callable

import polars as pl
import pytest

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.checks.definitions import check_definitions
from tasks.features import refresh
from tasks.features.definitions import digest_view
from tasks.storage.lake import open_lake
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase
from tests.support.small_case_files import transforms_source, views_source

HEAVY = """.with_columns(heavy=pl.col("weight") * pl.col("items"))"""


@pytest.fixture
def parcels(make_case: Callable[..., SmallCase]) -> SmallCase:
    case = make_case()
    case.land("spring", parcel_rows(MARCH, days=40))
    case.ingest(APRIL)
    return case


def rewrite_files(
    case: SmallCase, changes: dict[str, str], views: dict[str, str] | None = None
) -> None:
    """Replace text in the feature module and the Feast declarations."""
    source, declared = transforms_source(case.declaration), views_source(case.declaration)
    for old, new in changes.items():
        assert old in source, old
        source = source.replace(old, new)
    for old, new in (views or {}).items():
        assert old in declared, old
        declared = declared.replace(old, new)
    package = case.folder / case.declaration.package
    yaml = {"features": {"numeric": ["weight", "items", "fragile", "heavy"]}} if views else {}
    case.rewrite(yaml, transforms=source)
    (package / "views.py").write_text(declared)


def add_heavy(case: SmallCase) -> None:
    rewrite_files(
        case,
        {
            "start, end)\n    return rows.select(": f"start, end){HEAVY}\n    return rows.select(",
            "'fragile', \"event_timestamp\"": "'fragile', 'heavy', \"event_timestamp\"",
        },
        {"numbers=('weight',)": "numbers=('weight', 'heavy')"},
    )


def feature_rows(case: SmallCase) -> pl.DataFrame:
    return open_lake(case.name).scan("features/parcels").collect()


def test_a_feature_that_is_added_has_its_history(parcels: SmallCase) -> None:
    parcels.train(APRIL)
    parcels.promote()
    add_heavy(parcels)
    with pytest.raises(BadConfig, match=r"another definition of parcels\(\): run `mainspring run"):
        parcels.train(APRIL)
    details = [f.detail for f in check_definitions(parcels.use_case)]
    assert any("the next refresh rebuilds its history" in detail for detail in details)
    parcels.land("day", parcel_rows(APRIL, days=1))
    parcels.ingest(APRIL + DAY)
    rows = feature_rows(parcels)
    assert rows.height == 41 * 32
    assert rows["heavy"].equals((rows["weight"] * rows["items"]).alias("heavy"))
    version = parcels.train(APRIL + DAY, "again")
    parcels.promote(version)
    parcels.score(APRIL + DAY)


@pytest.mark.parametrize("way", ["renamed", "other values"])
def test_a_change_that_the_champion_reads_is_refused(parcels: SmallCase, way: str) -> None:
    parcels.train(APRIL)
    parcels.promote()
    before = feature_rows(parcels)
    changed = {"renamed": 'weight=pl.col("items")', "other values": 'pl.col("weight") + 1'}[way]
    rewrite_files(parcels, {
        "start, end)\n    return rows.select(":
            f"start, end).with_columns({changed})\n    return rows.select("
    })  # fmt: skip
    wrong = [f.detail for f in check_definitions(parcels.use_case) if f.verdict == "wrong"]
    assert len(wrong) == 1
    assert "mainspring rebuild parcels parcels" in wrong[0]
    with pytest.raises(BadConfig, match=r"champion version 1 reads .*weight.* rows would change"):
        parcels.refresh(APRIL)
    assert feature_rows(parcels).equals(before)
    request = {"by": "test", "reason": "the old one was wrong"}
    refresh.rebuild_view(parcels.use_case, "parcels", APRIL, request)
    assert not feature_rows(parcels).equals(before)
    parcels.refresh(APRIL)
    note = open_lake("parcels").note("features/parcels")
    assert (note["by"], note["reason"]) == ("test", "the old one was wrong")


def test_old_and_new_live_side_by_side(parcels: SmallCase) -> None:
    parcels.train(APRIL)
    parcels.promote()
    source, declared = transforms_source(parcels.declaration), views_source(parcels.declaration)
    renamed = {
        "transforms.py": source.replace("'weight'", "'kg'").replace(
            "start, end)\n    return", 'start, end).rename({"weight": "kg"})\n    return'
        ),
        "views.py": declared.replace("'weight'", "'kg'"),
    }
    kg = {"features": {"numeric": ["kg", "items", "fragile"]}}
    package = parcels.folder / parcels.declaration.package
    parcels.rewrite(kg, transforms=renamed["transforms.py"])
    (package / "views.py").write_text(renamed["views.py"])
    for refuse in (
        lambda: list(check_definitions(parcels.use_case)),
        lambda: parcels.refresh(APRIL),
    ):
        with pytest.raises(
            BadConfig, match="version 1 reads weight, which neither feature service"
        ):
            refuse()
    view = source[source.index("def parcels(") : source.index("def spine(")]
    second = view.replace("def parcels(", "def parcels_v2(").replace("'weight'", "'kg'").replace(
        "start, end)\n    return", 'start, end).rename({"weight": "kg"})\n    return'
    )  # fmt: skip
    features = {"views": ["parcels", "parcels_v2"], "service": "parcels_v2"}
    parcels.rewrite({"features": features}, transforms=source.replace(view, view + "\n\n" + second))
    added = declared[declared.index("view_0 =") :]
    added = added.replace("'parcels", "'parcels_v2").replace("'weight'", "'kg'")
    added = added.replace("_v2_v1", "_v2").replace("view_0", "view_1").replace("service =", "new =")
    (package / "views.py").write_text(declared + added)
    assert [f.verdict for f in check_definitions(parcels.use_case) if f.verdict == "wrong"] == []
    parcels.land("day", parcel_rows(APRIL, days=1))
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    assert parcels.predictions()["model_version"].unique().to_list() == [1]
    parcels.promote(parcels.train(APRIL + DAY, "second"))
    parcels.land("next", parcel_rows(APRIL + DAY, days=1))
    parcels.ingest(APRIL + 2 * DAY)
    parcels.score(APRIL + 2 * DAY)
    assert set(parcels.predictions()["model_version"]) == {1, 2}


def test_what_does_not_change_a_definition(parcels: SmallCase) -> None:
    before = digest_view(parcels.use_case, "parcels")
    same = {
        "def parcels(raw, start, end):\n":
            'def parcels(raw: dict, start, end) -> None:\n    """Says more."""\n    # and more\n',
        "def spine(": "\n\nOTHER = 3\n\n\ndef spine(",
    }  # fmt: skip
    rewrite_files(parcels, same)
    assert digest_view(parcels.use_case, "parcels") == before
    added = with_column_types(parcels, colour="text")
    assert digest_view(added, "parcels") == before
    changed = with_column_types(parcels, weight="text")
    assert digest_view(changed, "parcels") != before


def with_column_types(case: SmallCase, **types: str) -> UseCase:
    """The use case with other declared types of raw columns."""
    use_case = case.use_case
    table = use_case.tables["parcels"]
    declared = table.columns["weight"]
    columns = {name: declared.model_copy(update={"type": kind}) for name, kind in types.items()}
    table = table.model_copy(update={"columns": {**table.columns, **columns}})
    return use_case.model_copy(update={"tables": {"parcels": table}})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("DAYS = 1", "DAYS = 2"),
        ("return helper(rows)", "return helper(rows, 2)"),
        ("rows * 2", "rows * 3"),
        ("other.LIMIT + 1", "other.LIMIT + 2"),
        ("LIMIT = 5", "LIMIT = 6"),
        ("class Part:\n    size = 1", "class Part:\n    size = 2"),
    ],
)
def test_a_change_of_anything_that_a_view_calls(tmp_path, monkeypatch, old: str, new: str) -> None:
    from configs.schema.loading import load_use_case

    files = {
        "transforms.py": "from . import other\nfrom .parts import Part, helper\n\nDAYS = 1\n\n\n"
        "def parcels(raw, start, end):\n    rows = raw['x'] + DAYS + other.LIMIT + 1 + Part.size\n"
        "    return helper(rows)\n",
        "other.py": "LIMIT = 5\n",
        "parts.py": "class Part:\n    size = 1\n\n\ndef helper(rows, by=1):\n"
        "    return inner(rows)\n\n\ndef inner(rows):\n    return rows * 2\n",
        "__init__.py": "",
    }
    package = tmp_path / "digested"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "digested", raising=False)
    flights = load_use_case("flights")
    features = flights.features.model_copy(update={"module": "digested.transforms"})
    use_case = flights.model_copy(update={"features": features})

    def digest(replaced: str) -> str:
        for name, text in files.items():
            (package / name).write_text(text.replace(old, replaced))
        return digest_view(use_case, "parcels")

    assert digest(old) == digest(old) != digest(new)
