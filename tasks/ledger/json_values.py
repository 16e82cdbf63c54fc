"""Values of evidence as JSON holds them: times as text, NaN and infinity as null."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from configs.clock import as_utc

_LATER_FIELDS = {("length", 1)}  # and their values in older entries


def to_finite(value: Any) -> Any:  # noqa: ANN401
    """Return a value as JSON can hold it: NaN and infinity become null."""
    if isinstance(value, Mapping):
        return {name: to_finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _from_finite(value: Any) -> Any:  # noqa: ANN401
    """Return a measured number as it was before `to_finite`: null is NaN."""
    if isinstance(value, Mapping):
        return {name: _from_finite(each) for name, each in value.items()}
    return math.nan if value is None else value


def _parse_time(value: Any) -> Any:  # noqa: ANN401
    return as_utc(datetime.fromisoformat(value)) if isinstance(value, str) else value


def _write_given(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of a dataclass without `length` where blocks were drawn one by one."""
    written = dataclasses.asdict(value)
    return {name: each for name, each in written.items() if (name, each) not in _LATER_FIELDS}


Time = Annotated[datetime, BeforeValidator(_parse_time), PlainSerializer(datetime.isoformat)]
Measured = BeforeValidator(_from_finite)
OmitLater = PlainSerializer(_write_given, return_type=dict[str, Any])
"""For differences: a field that older entries lack is left out where it has their value."""
