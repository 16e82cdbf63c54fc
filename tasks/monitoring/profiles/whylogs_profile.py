"""WhyLogs profile of a monitored window, beside the monitor's own counts; an optional extra.

A profile is mergeable: the profiles of seven days merge into that of their week. A window is
profiled day by day, so its rows never lie in memory at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from configs.errors import BadConfig, NoRows
from configs.schema.use_case import UseCase
from tasks.features.retrieval import join_features
from tasks.models.registry import Model
from tasks.monitoring.report import build_report_address
from tasks.monitoring.window import read_predicted_rows
from tasks.storage import files
from tasks.storage.chunks import split_span

_DAY = timedelta(days=1)


def write_window_profile(use_case: UseCase, model: Model, as_of: datetime) -> str:
    """Write the profile of the window that ends at `as_of`; return its address.

    Args:
        use_case: the use case, with the inputs of the version.
        model: the champion.
        as_of: end of the window.

    Raises:
        BadConfig: WhyLogs is not installed.
        NoRows: the window has no prediction.
    """
    names = model.card.reference.score_names(use_case.features.inputs)
    profiles = []
    for span in split_span(as_of - use_case.monitor.window, as_of, _DAY):
        rows = read_predicted_rows(use_case, model.version, span, as_of, names)
        if not rows.is_empty():
            joined = join_features(use_case, rows)
            profiles.append(profile_rows(joined.select(*use_case.features.inputs, *names)))
    if not profiles:
        raise NoRows(f"{use_case.name}: no prediction up to {as_of} to profile. Score it first")
    address = build_report_address(use_case, as_of, "whylogs.bin")
    files.write_file(address, merge_profiles(profiles))
    return address


def profile_rows(rows: pl.DataFrame) -> bytes:
    """Return the profile of the columns of some rows, as WhyLogs writes it."""
    with _import_whylogs() as whylogs:
        content: bytes = whylogs.log(rows.to_pandas()).profile().view().serialize()
        return content


def merge_profiles(profiles: Sequence[bytes]) -> bytes:
    """Return the profile of all rows of some profiles; they must be one or more."""
    with _import_whylogs():
        from whylogs.core import DatasetProfileView

        views = list(map(DatasetProfileView.deserialize, profiles))
        merged = views[0]
        for view in views[1:]:
            merged = merged.merge(view)
        content: bytes = merged.serialize()
        return content


@contextmanager
def _import_whylogs() -> Iterator[Any]:
    """Yield WhyLogs while NumPy has the one name that it misses."""
    try:
        import whylogs
    except ImportError as error:
        raise BadConfig(
            "monitor.whylogs: WhyLogs is not installed; run pip install '.[whylogs]', or "
            "remove the field"
        ) from error
    missing = not hasattr(np, "unicode_")  # WhyLogs 1.6.4 is older than NumPy 2
    if missing:
        np.unicode_ = np.str_  # type: ignore[attr-defined]
    try:
        yield whylogs
    finally:
        if missing:
            del np.unicode_  # type: ignore[attr-defined]
