"""A path is a path: the loop works in a state folder of any name, or says why it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from configs.errors import BadConfig
from configs.settings import settings
from tasks.lifecycle.verification import verify_state
from tests.support.parcel_rows import APRIL, DAY, MARCH, parcel_rows
from tests.support.small_case import small_case
from tests.support.state import forget

FEW = ["My Projects ü {x}'", "50%done, what?", "#1*"]
MANY = [
    "a b", "ünïcode", "e\u0301", "名前", "50%done", "no#1", "what?", "curly{x}", "it's", 'q"uote',
    "a&b=c", "tr+plus", "semi;colon", "star*", "$HOME", "comma,x", "x:y", "~", " lead", "<x>",
]  # fmt: skip


@pytest.mark.parametrize("name", [*FEW, *(pytest.param(n, marks=pytest.mark.slow) for n in MANY)])
def test_the_loop_works_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    with small_case(tmp_path / name / "case") as parcels:
        parcels.land("spring", parcel_rows(MARCH, days=40))
        parcels.ingest(APRIL)
        parcels.train(APRIL)
        parcels.promote()
        parcels.land("day", parcel_rows(APRIL), at=APRIL)
        parcels.ingest(APRIL + DAY)
        parcels.score(APRIL + DAY)
        parcels.monitor(APRIL + DAY)
        parcels.assert_rows_add_up()
        parcels.assert_rows_answered(APRIL + DAY)
        assert verify_state(parcels.use_case, APRIL + DAY) == []
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["[1]", "a|b", "^", "back\\slash", "new\nline", "a%20b", "tab\t"])
def test_a_name_that_delta_cannot_open_is_refused_by_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("MAINSPRING_STATE", str(tmp_path / name))
    forget()
    with pytest.raises(BadConfig, match=r"MAINSPRING_STATE.*cannot open"):
        settings()
    assert list(tmp_path.iterdir()) == []
