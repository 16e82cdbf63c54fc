"""Zone of a new use case: that of the times which the samples have without one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from zoneinfo import ZoneInfo

import polars as pl

from configs.errors import BadConfig
from tasks.ingestion.parsing.column_values import cast_column, mark_nulls
from tasks.scaffold.plan import AskQuestion, GivenAnswers
from tasks.scaffold.sample import Sample

_CLOCK = r"\d{1,2}:\d\d"
_ZONE = r"(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$"


def resolve_zone(answers: GivenAnswers, samples: Mapping[str, Sample], ask: AskQuestion) -> str:
    """Return the zone of times that are written without one; UTC where all have one."""
    local = [
        f"{name}.{column} {sample.raw[column].drop_nulls().head(1).to_list()[0]}"
        for name, sample in samples.items()
        for column in find_local_times(sample)
    ]
    zone = answers.zone
    if not zone and local:
        question = f"Zone of the times without one, like Europe/Amsterdam ({local[0]})"
        zone = ask("--zone", question, "UTC")
    try:
        ZoneInfo(zone or "UTC")
    except (ValueError, LookupError, OSError) as error:
        raise BadConfig(f"--zone {zone}: no such zone. Write it like Europe/Amsterdam") from error
    return zone or "UTC"


def find_local_times(sample: Sample) -> list[str]:
    """Return the columns whose times have an hour, but no zone."""
    return [name for name in sample.columns_of("time") if _is_local(sample, name)]


def apply_zone(sample: Sample, zone: str) -> Sample:
    """Return the sample with its local times read in a zone.

    BadConfig if the zone has no such time, or has it twice, in a night when clocks change.
    """
    local = find_local_times(sample) if zone != "UTC" else []
    declared, rows = dict(sample.declared), sample.rows
    for name in local:
        declared[name] = declared[name].model_copy(update={"zone": zone})
        raw = mark_nulls(sample.raw[name], declared[name], sample.csv)
        times = cast_column(raw, declared[name], sample.csv)
        lost = raw.filter(raw.is_not_null() & times.is_null())
        if not lost.is_empty():
            raise BadConfig(
                f"--zone {zone}: {sample.name}.{name} is {lost[0]} in {len(lost)} rows, when "
                "clocks change: the zone has this time twice or never. Write such times with an "
                "offset, like 2024-10-27T02:30:00+02:00"
            )
        rows = rows.with_columns(times.alias(name))
    return replace(sample, declared=declared, rows=rows) if local else sample


def _is_local(sample: Sample, name: str) -> bool:
    """Return whether a time is written with an hour and without a zone."""
    raw, declared = sample.raw[name].drop_nulls(), sample.declared[name]
    if isinstance(raw.dtype, pl.Datetime):
        return raw.dtype.time_zone is None and bool((raw.dt.truncate("1d") != raw).any())
    if raw.dtype != pl.String or (declared.format or "").startswith("epoch"):
        return False
    texts = raw.str.strip_chars()
    clocks = texts.filter(texts.str.contains(_CLOCK))
    return not clocks.is_empty() and not clocks.str.contains(_ZONE).all()
