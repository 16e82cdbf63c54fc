"""Landed files of a use case of two small tables: parcels with a time, and a register of depots."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from configs.schema.data import Table
from configs.schema.loading import load_use_case
from configs.schema.use_case import UseCase
from configs.settings import settings

HEADER = "parcel,weight,sent"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
KNOWN_FROM = datetime(2024, 1, 1, tzinfo=UTC)


def parcels(as_of: datetime) -> list[Any]:
    from expectations.rules import between, lands

    return [*lands("sent", 100_000, as_of), between("weight", 0, 100)]


def depots(_: datetime) -> list[Any]:
    from expectations.rules import some_rows

    return [some_rows(1000)]


def parcels_use_case(**changes: Any) -> UseCase:
    """The flights' use case with these two tables; `changes` are of the table of parcels."""
    tables = {
        "parcels": {
            "files": "parcels/*.csv",
            "columns": {"parcel": "text", "weight": "number", "sent": "time"},
            "keys": ["parcel"], "event_time": "sent", "known_time": "sent", "suite": "parcels",
            **changes,
        },
        "depots": {
            "files": "depots/*.csv", "columns": {"depot": "text", "docks": "integer"},
            "keys": ["depot"], "known_from": KNOWN_FROM, "suite": "depots",
        },
    }  # fmt: skip
    parsed = {name: Table.model_validate(table) for name, table in tables.items()}
    update = {"tables": parsed, "expectations": __name__}
    return load_use_case("flights").model_copy(update=update)


def land_lines(name: str, *lines: str, header: str = HEADER, modified: float | None = None) -> Path:
    """Write a CSV into the landing folder, with a time of modification if there is one."""
    path = Path(settings().landing) / "flights" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    if modified is not None:
        os.utime(path, (modified, modified))
    return path


def line(parcel: str, weight: float | str = 1.0, sent: str = "2024-03-01T10:00:00Z") -> str:
    return f"{parcel},{weight},{sent}"
