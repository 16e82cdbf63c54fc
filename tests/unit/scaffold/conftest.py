"""Fixtures of new use cases."""

from pathlib import Path

import pytest

from tests.support.order_samples import CUSTOMERS, ORDERS


@pytest.fixture
def order_samples(tmp_path: Path) -> Path:
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    return tmp_path
