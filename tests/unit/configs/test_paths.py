"""Paths become addresses, and addresses the same paths again."""

from __future__ import annotations

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given
from sqlalchemy import create_engine, text

from configs.errors import BadConfig
from configs.paths import folder_uri, require_delta_path, sqlite_path, sqlite_url

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in (".", ".."))


@given(NAMES)
def test_a_path_comes_back_from_its_sqlite_address(name: str) -> None:
    path = Path("/state") / name / "ledger.db"
    assert sqlite_path(sqlite_url(path)) == path
    assert folder_uri(f"/state/{name}").startswith(("/state/", "file:///state/"))


@pytest.mark.parametrize("name", ["a b", "ü", "50%done", "no#1", "what?", "{x}", "a&b=c", "%3F?"])
def test_sqlite_opens_the_file_of_the_path(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "it.db"
    path.parent.mkdir()
    engine = create_engine(sqlite_url(path))
    with engine.begin() as connection:
        connection.execute(text("create table t (x int)"))
    engine.dispose()
    assert [each.name for each in path.parent.iterdir()] == ["it.db"]


def test_sqlite_path_knows_other_addresses() -> None:
    assert sqlite_path("sqlite:////tmp/a.db") == Path("/tmp/a.db")
    assert sqlite_path("postgresql://server/a") is None


@pytest.mark.parametrize("sign", ["[", "]", "|", "^", "\\", "\n", "\t", "%20", "%C3"])
def test_require_delta_path_names_setting_folder_and_sign(sign: str) -> None:
    with pytest.raises(BadConfig, match=r"MAINSPRING_STATE: .* cannot open tables in"):
        require_delta_path("MAINSPRING_STATE", f"/a{sign}b/lake")
    require_delta_path("MAINSPRING_LAKE", f"s3://bucket/a{sign}b")
