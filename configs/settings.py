"""Settings: addresses, paths and switches, each a MAINSPRING_ environment variable.

The defaults are embedded (SQLite files and folders) below one state folder, so a laptop needs no
server. `.env` in the working folder is read too. `lake`, `landing`, `reports` and
`mlflow_artifacts` may be folders or s3:// addresses; infra/storage/s3.py has the options of S3.
"""

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from configs.errors import BadConfig
from configs.paths import require_delta_path, sqlite_url
from configs.urls import (
    check_broker,
    check_database,
    check_folder,
    check_link,
    check_online_store,
    check_tracking,
    split_login,
    with_driver,
)

ROOT = Path(__file__).resolve().parent.parent
TOKEN_PATTERN = r"^([A-Za-z0-9._~-]{16,})?$"  # characters that need no quoting in any header


def _checked(check: Callable[[str], str]) -> AfterValidator:
    """Return a validator; an empty address passes, since it gets its default."""
    return AfterValidator(lambda address: address and check(address))


# postgresql:// needs no driver: each library gets its own one
Database = Annotated[str, _checked(lambda text: with_driver(check_database(text), "psycopg"))]
AsyncDatabase = Annotated[str, _checked(lambda text: with_driver(check_database(text), "asyncpg"))]
Tracking = Annotated[str, _checked(lambda text: with_driver(check_tracking(text), "psycopg"))]
Online = Annotated[str, _checked(check_online_store)]
Broker = Annotated[str, _checked(check_broker)]
Folder = Annotated[str, _checked(check_folder)]
Link = Annotated[str, _checked(check_link)]


class Settings(BaseSettings):
    """Addresses, paths and switches; an empty address gets its default below `state`."""

    model_config = SettingsConfigDict(
        env_prefix="MAINSPRING_",
        env_file=".env",
        env_ignore_empty=True,  # a container's empty variable counts as unset
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,  # an address may hold a password
        allow_inf_nan=False,
    )

    state: Path = Field(ROOT / ".mainspring", description="the folder that holds all local state")
    use_cases: Path = Field(ROOT / "configs", description="the folder of the use cases' YAML files")
    policies: Path = Field(ROOT / "configs/policies", description="policies that ship for replay")
    landing: Folder = Field("", description="folder of landed files, with a folder per use case")
    lake: Folder = Field("", description="root of the Delta tables, with a folder per use case")
    pinned_lake: Folder = Field(
        "", description="the lake of the tables in `pinned` (default: `lake`)"
    )
    pinned: dict[str, int] = Field(
        {},
        description="JSON, use case/table: version; tables that are read there, and never written",
    )
    joined: Folder = Field("", description="folder of joined rows, a cache for pinned lakes")
    reports: Folder = Field("", description="HTML reports, pictures and Data Docs")
    reports_url: Link = Field(
        "",
        description="address of `reports` in a browser, like https://… (default: that of the "
        "server that `up` starts)",
    )
    ledger_url: Database = Field("", repr=False, description="address of the ledger's database")
    mlflow_uri: Tracking = Field(
        "", repr=False, description="database of MLflow, or an http:// tracking server"
    )
    mlflow_artifacts: Folder = Field("", description="folder or bucket of MLflow's artifacts")
    feast_registry: Database = Field("", repr=False, description="database of Feast's registry")
    feast_online: Online = Field(
        "", repr=False, description="Feast's online store: the path of a SQLite file, or redis://"
    )
    stream_url: Broker = Field(
        "redis://127.0.0.1:6379/0",
        repr=False,
        description="broker of `mainspring stream`: redis://, rediss:// or kafka://host:port",
    )
    prefect_database: AsyncDatabase = Field(
        "", repr=False, description="database of Prefect's server (default: its own SQLite file)"
    )
    engine: str = Field(
        "local",
        pattern=r"^(local|dask|[a-z]+://[^@]+)$",
        description="what computes partitions: local, dask, or the address of a Dask scheduler",
    )
    dask_workers: int = Field(
        os.cpu_count() or 1,
        ge=1,
        description="worker processes of the cluster that engine=dask starts",
    )
    partition_rows: int = Field(
        200_000, ge=1, description="approximate predictions per partition of a large window"
    )
    file_memory_mb: int = Field(
        4096, ge=64, description="memory that reading one landed file may need; the largest file"
    )
    file_seconds: int = Field(300, ge=1, description="time that reading one landed file may need")
    lock_seconds: float = Field(
        60, gt=0, description="how long a process waits for a lock that another one holds"
    )
    cpu_hour_price: float = Field(0.05, ge=0, description="price of one hour of one CPU")
    host: str = Field(
        "127.0.0.1", pattern=r"^[\w.:-]+$", description="address that local servers listen on"
    )
    prefect_port: int = Field(4200, ge=1, le=65535, description="port of the local Prefect server")
    mlflow_port: int = Field(5000, ge=1, le=65535, description="port of the local MLflow UI")
    serving_port: int = Field(8080, ge=1, le=65535, description="port of the prediction server")
    serving_token: str = Field(
        "",
        repr=False,
        pattern=TOKEN_PATTERN,
        description="token of callers that predict (default: none, on loopback only)",
    )
    serving_write_token: str = Field(
        "",
        repr=False,
        pattern=TOKEN_PATTERN,
        description="token of callers that may also write",
    )
    reports_port: int = Field(
        4300, ge=1, le=65535, description="port of the local server of the reports"
    )
    token: str = Field(
        "",
        repr=False,
        pattern=TOKEN_PATTERN,
        description="token of the local servers (default: `up` creates one in the state folder)",
    )
    allowed_hosts: str = Field(
        "",
        description="host names of the local servers beside localhost, with commas between",
    )
    work_pool_type: Literal["process", "docker", "kubernetes"] = Field(
        "process", description="where flows run: in a process beside the worker, or in a container"
    )
    warm_start: bool = Field(
        True,
        description="whether `up` starts a fork server (0.5 GB) that runs are forked from",
    )
    traceback: bool = Field(
        False, description="whether a command shows the traceback of an error nothing foresees"
    )
    image: str = Field("", description="container image of runs, for docker and kubernetes pools")
    revision: str = Field(
        "", description="git commit of the code, where git is missing (in an image)"
    )

    def model_post_init(self, _context: object) -> None:
        """Set empty addresses to their defaults below the state folder."""
        state = self.state.resolve()
        embedded = {
            "state": state,
            "landing": str(state / "landing"),
            "lake": str(state / "lake"),
            "reports": str(state / "reports"),
            "ledger_url": sqlite_url(state / "ledger.db"),
            "mlflow_uri": sqlite_url(state / "mlflow.db"),
            "mlflow_artifacts": str(state / "mlflow"),
            "feast_registry": sqlite_url(state / "feast_registry.db"),
            "feast_online": str(state / "feast_online.db"),
        }
        for name, value in embedded.items():
            if name == "state" or name not in self.model_fields_set:
                object.__setattr__(self, name, value)
        if not self.pinned_lake:
            object.__setattr__(self, "pinned_lake", self.lake)
        is_own = "lake" in self.model_fields_set
        require_delta_path("MAINSPRING_LAKE" if is_own else "MAINSPRING_STATE", self.lake)

    @property
    def prefect_url(self) -> str:
        """Root address of the local Prefect server."""
        return f"http://{self.host}:{self.prefect_port}"

    @property
    def reports_server_url(self) -> str:
        """Root address of the local server of the reports."""
        return f"http://{self.host}:{self.reports_port}"

    @property
    def mlflow_url(self) -> str:
        """Root address of MLflow's UI: of the tracking server, or of the local one."""
        if self.mlflow_uri.startswith("http"):
            return split_login(self.mlflow_uri)[0].rstrip("/")
        return f"http://{self.host}:{self.mlflow_port}"


@cache
def settings() -> Settings:
    """Return the settings of this process, read once; BadConfig names an invalid one."""
    problems = []
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"  MAINSPRING_{str(e['loc'][0]).upper()}: {e['msg']}"
            for e in error.errors(include_input=False, include_context=False, include_url=False)
        ]
    except SettingsError:  # its cause holds the value
        problems = ['  MAINSPRING_PINNED: not readable as JSON; write {"use case/table": version}']
    # outside of the handler, so that the error has no context with the value
    raise BadConfig("\n".join(["a setting is invalid:", *problems]))
