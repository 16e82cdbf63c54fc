"""Every row that landed is in raw, in quarantine or refused, and every due row is scored once."""

from __future__ import annotations

from tests.support.small_case import APRIL, DAY, MARCH, parcel_rows


def test_a_small_use_case_from_its_file_to_a_measured_window(make_case):
    parcels = make_case()
    parcels.land("spring", parcel_rows(MARCH, days=40))
    parcels.ingest(APRIL)
    parcels.train(APRIL)
    parcels.promote()
    parcels.land("day", parcel_rows(APRIL), at=APRIL)
    parcels.ingest(APRIL + DAY)
    parcels.score(APRIL + DAY)
    measured = parcels.monitor(APRIL + DAY)
    assert measured.filter(subject="rows:predictions")["value"].item() == 32
    assert parcels.predictions()["parcel"].n_unique() == 32
    parcels.assert_rows_add_up()
    parcels.assert_rows_answered(APRIL + DAY)
