"""Golden rows of an erased key leave the files of a version, and the version still opens."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadModel
from tasks.ledger.log import open_ledger
from tasks.models import registry
from tasks.models.mlflow.versions import read_tagged_digests
from tasks.models.registry import open_model
from tasks.row_changes import golden_rows
from tasks.row_changes.erase import erase_key, plan_erasure
from tests.support.model_files import version_files_of
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case

INPUTS = ["depot", "weight", "items", "fragile"]


@pytest.fixture
def parcels(tmp_path: Path) -> Iterator[SmallCase]:
    with small_case(tmp_path) as case:
        case.land("spring", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        case.train(APRIL)
        case.promote()
        yield case


def golden_parcel(parcels: SmallCase) -> tuple[str, int]:
    """A parcel among the golden rows of version 1, and the number of golden rows."""
    golden = open_model("parcels", 1).golden
    rows = parcels.raw().with_columns(pl.col("fragile").cast(golden["fragile"].dtype))
    return rows.join(golden, on=INPUTS, how="semi")["parcel"][0], golden.height


def erase_parcel(parcels: SmallCase, parcel: str) -> list[golden_rows.GoldenErasure]:
    book, case = open_ledger(), parcels.use_case
    plan = plan_erasure(book, case, {"parcel": parcel}, APRIL + DAY)
    erase_key(book, case, plan, APRIL + DAY, "ann", "asked by mail")
    registry._open.cache_clear()
    return plan.golden


def test_golden_rows_of_a_key_are_erased_and_the_version_opens(parcels: SmallCase) -> None:
    parcel, count = golden_parcel(parcels)
    (erasure,) = erase_parcel(parcels, parcel)
    assert (erasure.version, erasure.rows, erasure.problem) == (1, 1, "")
    model = open_model("parcels", 1)
    assert model.golden.height == count - 1
    assert read_tagged_digests("parcels", 1) == model.digests
    (told,) = (e for e in parcels.ledger() if e.what == "rows_erased" and e.version == 1)
    assert (told.actor, told.evidence["rows"]) == ("ann", 1)
    assert parcel not in str(told)
    assert not erase_parcel(parcels, golden_parcel(parcels)[0])[0].problem
    assert open_model("parcels", 1).golden.height == count - 2


def test_a_killed_erasure_of_golden_rows_is_completed(
    parcels: SmallCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcel, count = golden_parcel(parcels)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(golden_rows, "_replace_golden_file", kill)
        with pytest.raises(KeyboardInterrupt):
            erase_parcel(parcels, parcel)
    registry._open.cache_clear()
    with pytest.raises(BadModel, match=r"sha256 of golden\.parquet"):
        open_model("parcels", 1)
    erase_parcel(parcels, parcel)
    assert open_model("parcels", 1).golden.height == count - 1
    assert len([e for e in parcels.ledger() if e.what == "rows_erased"]) == 2


def test_other_keys_and_lost_files_stop_no_erasure(parcels: SmallCase) -> None:
    book, case = open_ledger(), parcels.use_case
    assert plan_erasure(book, case, {"parcel": "none"}, APRIL).golden == []
    version_files_of("parcels", 1).joinpath("extra_files/golden.parquet").unlink()
    assert plan_erasure(book, case, {"parcel": golden_rows.__name__}, APRIL).golden == []
