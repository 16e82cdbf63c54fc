"""`mainspring new` killed while it writes: the next try is not in the way of itself."""

from functools import partial
from pathlib import Path

import pytest

from tasks.scaffold.write_files import remove_unfinished, require_free_names, write_use_case
from tests.support import processes

FILES = {f"{folder}/{file}": b"of payment" for folder, file in (
    ("configs", "payment.yaml"), ("feature_repo/payment", "views.py"),
    ("expectations", "payment.py"), ("tests/use_cases/payment", "orders.csv"),
)}  # fmt: skip


def write_payment(root: Path, files: dict[str, bytes]) -> None:
    remove_unfinished(root, "payment")
    require_free_names(root, "payment")
    with write_use_case(root, "payment", files):
        pass


def left(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("point", processes.fault_points(*(f"write {path}" for path in FILES)))
def test_killed_anywhere_it_is_written_at_the_next_try(home, point):
    root = home / "project"
    assert processes.run_job(partial(write_payment, root, FILES), home, point) < 0
    other = dict.fromkeys(FILES, b"of another label")
    write_payment(root, other)
    assert left(root) == other


def test_what_was_changed_since_is_kept(home):
    root = home / "project"
    processes.run_job(partial(write_payment, root, FILES), home, "after write configs/payment.yaml")
    (root / "configs/payment.yaml").write_text("mine")
    remove_unfinished(root, "payment")
    assert left(root) == {"configs/payment.yaml": b"mine"}
