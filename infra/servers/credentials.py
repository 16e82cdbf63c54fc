"""Token that the servers of `mainspring up` require: created once, kept in the state folder.

The file has mode 600. The token is in the environment of the processes that need it, which only
their user can read. It is on no command line, because every user can read those.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from pathlib import Path

from configs.errors import BadConfig
from configs.settings import TOKEN_PATTERN, settings
from infra.storage.errors import storage_errors
from infra.storage.locks import hold_file_lock

USER = "mainspring"  # of Basic authorization
_PRIVATE = 0o600


def token_file() -> Path:
    """Return the path of the file that keeps the token."""
    return settings().state / "token"


def token_exists() -> bool:
    """Return whether the settings or the state folder have a token."""
    return bool(settings().token) or token_file().exists()


def read_token() -> str:
    """Return the token of the settings, or the one in the state folder, which is made if missing.

    BadConfig if the file does not hold a token.
    """
    if settings().token:
        return settings().token
    path = token_file()
    with storage_errors(path):
        if not path.exists():
            _create(path)
        if path.stat().st_mode & 0o077:  # a copy of the state lost the mode
            path.chmod(_PRIVATE)
        token = path.read_text().strip()
    if not token or not re.fullmatch(TOKEN_PATTERN, token):
        raise BadConfig(f"{path} holds no valid token; remove it, and run `mainspring up` again")
    return token


def auth_string() -> str:
    """Return user and token as Prefect's settings write them."""
    return f"{USER}:{read_token()}"


def basic_authorization(token: str) -> str:
    """Return the value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{USER}:{token}".encode()).decode()


def build_credentials() -> dict[str, str]:
    """Return the variables with which clients of the local Prefect server sign in."""
    return {"PREFECT_API_AUTH_STRING": auth_string()}


def _create(path: Path) -> None:
    """Write a new token, unless another process has written one."""
    with hold_file_lock(path.with_name("token.lock")):
        if path.exists():
            return
        unfinished = path.with_name("token.new")
        unfinished.unlink(missing_ok=True)  # of a killed process
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        unfinished.replace(path)
