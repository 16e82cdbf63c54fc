"""Addresses of paths: a folder of any name, in the form that each library reads.

A library takes a part of a plain path for something else: `?` for the start of a query, or `%`
for that of a character.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from configs.errors import BadConfig

_SQLITE = "sqlite:///"
_UNREADABLE = re.compile(r"[\[\]|^\\\x00-\x1f\x7f]|%[0-9a-fA-F]{2}")
"""What Delta's library cannot open: it decodes a path twice, or takes it for no path."""


def sqlite_url(file: Path) -> str:
    """Return the SQLAlchemy address of a SQLite file; as a file URI if the path has a `?`."""
    if "?" in str(file):
        return f"{_SQLITE}{file.absolute().as_uri()}?uri=true"
    return f"{_SQLITE}{file}"


def sqlite_path(url: str) -> Path | None:
    """Return the file of a SQLite address; None for other addresses."""
    if not url.startswith(_SQLITE):
        return None
    place = url.removeprefix(_SQLITE)
    if place.startswith("file:"):
        return Path(unquote(urlsplit(place).path))
    return Path(place)


def folder_uri(address: str) -> str:
    """Return an address for a library that reads URIs: as it is, unless a path needs encoding."""
    if "://" in address or quote(address) == address:
        return address
    return Path(address).absolute().as_uri()


def require_delta_path(setting: str, address: str) -> None:
    """Raise BadConfig if Delta's library cannot open tables below a folder.

    Args:
        setting: name of the setting that leads to the folder.
        address: the folder, or an address on S3.
    """
    match = None if address.startswith("s3://") else _UNREADABLE.search(address)
    if match:
        raise BadConfig(
            f"{setting}: the library of the lake cannot open tables in {address!r}, because of "
            f"{match[0]!r}; choose a folder without it"
        )
