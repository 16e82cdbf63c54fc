"""Interface of a protocol: how it reads rows from a body and writes predictions into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tasks.serving.row_schema import RowSchema, to_bad_request
from tasks.serving.service import AnsweredRequest

MALFORMED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Render = Callable[[AnsweredRequest], object]
"""Returns the body of a response, before its encoding as JSON."""


@dataclass(frozen=True)
class ParsedRequest:
    """The typed rows of a request, and how its predictions are written."""

    rows: Sequence[Any]
    render: Render


Parse = Callable[[bytes, RowSchema], ParsedRequest]


def decode_json(body: bytes, kind: Any = Any) -> Any:  # noqa: ANN401
    """Return the JSON of a body as a type; raise BadRequest with the path of what is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except MALFORMED as invalid:
        raise to_bad_request(invalid) from invalid


def list_records(answered: AnsweredRequest) -> list[dict[str, Any]]:
    """Return one record a row: value, decision, arm, version and counts of missing features."""
    predicted = answered.predicted
    value = answered.served.champion.problem_type.value_column
    return [
        {
            value: rows.values[place],
            "decision": rows.decisions[place],
            "arm": rows.role,
            "model_version": rows.version,
            "missing_features": predicted.missing[place],
            "stale_features": predicted.stale[place],
        }
        for rows, place in predicted.used
    ]
