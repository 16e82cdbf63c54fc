"""Server addresses in the forms that the settings and the libraries use.

The settings have one form for every database: postgresql://user:password@host:port/name. This
module checks addresses, adds drivers, converts the form for libraries, and hides passwords. No
message of its errors contains any part of an address.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from sqlalchemy import URL


Driver = Literal["psycopg", "asyncpg"]
_POSTGRES = ("postgres", "postgresql")
_REDIS = {"redis": "false", "rediss": "true"}  # scheme: whether it is encrypted
_USER = re.compile(r"(?<=://)[^\s'\"]*@")  # up to the last @: a password may hold any character
_SECRET_OPTION = re.compile(
    r"((?:^|[?&;,\s])[^=&\s]*(?:pass|pwd|secret|token|key)[^=&\s]*=)[^&\s'\"]+", re.IGNORECASE
)


def is_postgres(address: str) -> bool:
    """Return whether an address is of PostgreSQL, with any driver."""
    return address.partition(":")[0].partition("+")[0] in _POSTGRES


def is_redis(address: str) -> bool:
    """Return whether an address is of Redis."""
    return address.partition(":")[0] in _REDIS


def check_broker(address: str) -> str:
    """Return the address of a message broker; ValueError if it is neither Redis nor Kafka."""
    scheme, _, rest = address.partition("://")
    servers = rest.split(",") if scheme == "kafka" else [rest]
    known = is_redis(address) or scheme == "kafka"
    if not (known and all(_has_host(f"{scheme}://{each}") for each in servers)):
        raise ValueError(
            "address is no broker; write redis://user:password@host:port/db, rediss://…, or "
            "kafka://host:port,host:port"
        )
    return address


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


def check_database(address: str) -> str:
    """Return the address of a SQLite or PostgreSQL database; ValueError if it is another text."""
    if not (address.startswith("sqlite:///") or is_postgres(address)):
        raise ValueError(
            "address is not a database; write sqlite:///path, or "
            "postgresql://user:password@host:port/name"
        )
    _parsed(address)
    return address


def check_tracking(address: str) -> str:
    """Return the address of a database or of an http(s) server; ValueError if it is neither."""
    if address.partition(":")[0] not in ("http", "https"):
        return check_database(address)
    if not _has_host(address):
        raise ValueError("address is not readable as http(s)://user:password@host:port")
    return address


def check_online_store(address: str) -> str:
    """Return the path or redis:// address of the online store; ValueError if it is neither."""
    if is_redis(address):
        feast_redis(address)  # ValueError if Feast cannot represent it
    elif _looks_like_address(address):
        raise ValueError("address is no path, and does not start with redis:// or rediss://")
    return address


def check_folder(address: str) -> str:
    """Return a folder's path or s3:// address; ValueError if it is neither.

    S3's keys are no part of an address: the libraries read them from the AWS variables.
    """
    bucket = address.removeprefix("s3://")
    if _looks_like_address(bucket) or (bucket != address and "@" in bucket.partition("/")[0]):
        raise ValueError(
            "address is neither a path nor s3://bucket/folder; keys of S3 belong into "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return address


def check_link(address: str) -> str:
    """Return an http(s) address without user and password; ValueError if it is another text."""
    if not _has_host(address) or "@" in address:
        raise ValueError(
            "address is no https://host/path without user and password; links show it to everyone"
        )
    return address


def shown(address: str) -> str:
    """Return an address, or a text with addresses, with *** for each user, password and token."""
    return _SECRET_OPTION.sub(r"\1***", _USER.sub("***@", address))


def split_login(address: str) -> tuple[str, str | None, str | None]:
    """Return an http:// address without its user and password, and the two decoded."""
    parts = urlsplit(address)
    user, password = (
        None if each is None else unquote(each) for each in (parts.username, parts.password)
    )
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host)), user, password


def feast_redis(address: str) -> str:
    """Return redis://user:password@host:port/db?option=value as Feast's connection string.

    The result is like host:port,db=0,password=...; rediss:// is encrypted. Raises ValueError if
    Feast cannot represent it. Feast splits at commas, so a password has none. It reads each value
    as JSON, so quotes keep a password of digits a text.
    """
    if not _has_host(address):
        raise ValueError("address is not readable as redis://user:password@host:port/db")
    parts = urlsplit(address)
    options = {"db": parts.path.strip("/") or "0", "ssl": _REDIS[parts.scheme]}
    for name, value in (("username", parts.username), ("password", parts.password)):
        if value is not None:
            options[name] = f'"{unquote(value)}"'
    options |= dict(parse_qsl(parts.query))
    pieces = [f"{parts.hostname}:{parts.port or 6379}"]
    pieces += [f"{name}={value}" for name, value in options.items()]
    if any("," in piece for piece in pieces):
        raise ValueError(
            "a password or an option contains a comma; change it, because Feast splits there"
        )
    return ",".join(pieces)


def _has_host(address: str) -> bool:
    """Return whether an address has the form scheme://host, and a port that is a number."""
    try:
        parts = urlsplit(address)
        return bool(parts.scheme and parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _looks_like_address(text: str) -> bool:
    """Return whether a text is an address rather than a path: a scheme, or a user's part."""
    return "://" in text or bool(re.search(r":[^/]*@|^\w+:?//", text))


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
