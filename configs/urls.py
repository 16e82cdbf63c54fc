"""Server addresses in the forms that the settings and the libraries use.

The settings have one form for every database: postgresql://user:password@host:port/name. This
module adds drivers, converts the form for libraries, and hides passwords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy import URL


Driver = Literal["psycopg", "asyncpg"]
_POSTGRES = ("postgres", "postgresql")
_REDIS = {"redis": "false", "rediss": "true"}  # scheme: whether it is encrypted


def is_postgres(address: str) -> bool:
    """Return whether an address is of PostgreSQL, with any driver."""
    return address.partition(":")[0].partition("+")[0] in _POSTGRES


def is_redis(address: str) -> bool:
    """Return whether an address is of Redis."""
    return address.partition(":")[0] in _REDIS


def with_driver(address: str, driver: Driver) -> str:
    """Return a PostgreSQL address with the driver of a library; other addresses unchanged.

    asyncpg calls `ssl` what the others call `sslmode`. Raises ValueError if it is unreadable.
    """
    if not is_postgres(address):
        return address
    url = _parsed(address).set(drivername=f"postgresql+{driver}")
    if driver == "asyncpg" and "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url.render_as_string(hide_password=False)


def shown(address: str) -> str:
    """Return an address with *** for its password; other texts unchanged."""
    if "://" not in address:
        return address
    return _parsed(address).render_as_string(hide_password=True)


def feast_redis(address: str) -> str:
    """Return redis://user:password@host:port/db?option=value as Feast's connection string.

    The result is like host:port,db=0,password=...; rediss:// is encrypted. Raises ValueError if
    Feast cannot represent it. Feast splits at commas, so a password has none. It reads each value
    as JSON, so quotes keep a password of digits a text.
    """
    parts = urlsplit(address)
    options = {"db": parts.path.strip("/") or "0", "ssl": _REDIS[parts.scheme]}
    for name, value in (("username", parts.username), ("password", parts.password)):
        if value is not None:
            options[name] = f'"{unquote(value)}"'
    options |= dict(parse_qsl(parts.query))
    pieces = [f"{parts.hostname or 'localhost'}:{parts.port or 6379}"]
    pieces += [f"{name}={value}" for name, value in options.items()]
    if any("," in piece for piece in pieces):
        raise ValueError(
            "a password or an option contains a comma; change it, because Feast splits there"
        )
    return ",".join(pieces)


def _parsed(address: str) -> URL:
    from sqlalchemy import make_url  # slow, and embedded addresses do not need it
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address)
    except (ArgumentError, ValueError) as error:  # its message may contain the password
        raise ValueError(
            "address is not readable as scheme://user:password@host:port/name; write characters "
            "such as @ : / % in a password in percent encoding (@ is %40)"
        ) from error
