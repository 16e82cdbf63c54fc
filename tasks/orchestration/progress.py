"""Progress artifacts: how far a long flow run is, as Prefect's UI shows it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

ReportDone = Callable[[int], None]
"""Called with the number of parts that are done."""


def publish_progress(key: str, description: str, total: int) -> ReportDone:
    """Create the progress artifact of this flow run; return the function that updates it.

    A run of one part has none.

    Args:
        key: key of the artifact.
        description: what is counted.
        total: the number of parts.
    """
    if total < 2:
        return lambda _: None
    created = create_progress_artifact(0.0, key=key, description=f"{description}: 0 of {total}")
    assert isinstance(created, UUID)

    def report(done: int) -> None:
        update_progress_artifact(
            created, 100.0 * done / total, description=f"{description}: {done} of {total}"
        )

    return report


def publish_steps(key: str, total: int) -> Callable[[str], None]:
    """Create a progress artifact; return a function to call with each step before it starts.

    Args:
        key: key of the artifact.
        total: the number of steps.
    """
    report, begun = publish_progress(key, "steps", total), count()
    return lambda _: report(next(begun))
