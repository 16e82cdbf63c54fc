"""Values of evidence as JSON holds them: times as text, NaN and infinity as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from configs.clock import as_utc


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


Time = Annotated[datetime, BeforeValidator(_parse_time), PlainSerializer(datetime.isoformat)]
Measured = BeforeValidator(_from_finite)
