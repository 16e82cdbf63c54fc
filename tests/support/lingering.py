"""A flow that takes its time, for tests that end it."""

from __future__ import annotations

import time

from prefect import flow


@flow(name="linger")
def linger(seconds: float = 600) -> None:
    time.sleep(seconds)
