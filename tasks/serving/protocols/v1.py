"""V1 protocol of TensorFlow Serving and KServe, and `/invocations` of MLflow and SageMaker."""

from __future__ import annotations

from functools import lru_cache
from types import GenericAlias
from typing import Any

import msgspec

from tasks.serving.protocols.shape import MALFORMED, ParsedRequest, decode_json, list_records
from tasks.serving.row_schema import BadRequest, RowSchema, to_bad_request
from tasks.serving.service import AnsweredRequest

_FORMS = ("instances", "dataframe_records", "dataframe_split", "inputs")


def parse_v1(body: bytes, schema: RowSchema) -> ParsedRequest:
    """Read `{"instances": [{…}, …]}`."""
    try:
        instances = _build_decoder(schema).decode(body).instances
    except MALFORMED as invalid:
        raise to_bad_request(invalid) from invalid
    return ParsedRequest(instances, render_v1)


@lru_cache(maxsize=4)
def _build_decoder(schema: RowSchema) -> msgspec.json.Decoder[Any]:
    fields: list[Any] = [
        ("instances", GenericAlias(list, (schema.row_type,))),
        ("signature_name", str | None, None),
    ]
    body = msgspec.defstruct("Body", fields, forbid_unknown_fields=True)
    return msgspec.json.Decoder(body)


def render_v1(answered: AnsweredRequest) -> object:
    """Return `{"predictions": [{…}, …]}` with the id of the request."""
    return {"predictions": list_records(answered), "request_id": answered.request_id}


def parse_invocations(body: bytes, schema: RowSchema) -> ParsedRequest:
    """Read any of MLflow's forms of a data frame, or V1's instances."""
    content = decode_json(body, dict[str, Any])
    if len(content) != 1 or (form := next(iter(content))) not in _FORMS:
        raise BadRequest(f"the body must have one of the fields {', '.join(_FORMS)}", "$")
    rows, place = content[form], f"$.{form}"
    if form == "dataframe_split":
        rows = _join_split(rows)
        place += ".data"
    elif form == "inputs" and isinstance(rows, dict):
        rows = _join_columns(rows)
    return ParsedRequest(schema.convert(rows, place), render_v1)


def _join_split(split: object) -> list[dict[str, Any]]:
    """Return rows from column names and lists of values."""
    try:
        typed = msgspec.convert(split, _Split)
    except msgspec.ValidationError as invalid:
        raise to_bad_request(invalid, "$.dataframe_split") from invalid
    for place, row in enumerate(typed.data):
        if len(row) != len(typed.columns):
            raise BadRequest(
                f"{len(row)} values, but {len(typed.columns)} columns",
                f"$.dataframe_split.data[{place}]",
            )
    return [dict(zip(typed.columns, row, strict=True)) for row in typed.data]


class _Split(msgspec.Struct, forbid_unknown_fields=True):
    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | None = None


def _join_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows from a list of values a column."""
    for name, values in columns.items():
        if not isinstance(values, list):
            raise BadRequest("expected an array of values", f"$.inputs.{name}")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise BadRequest(f"columns have different lengths: {sorted(lengths)}", "$.inputs")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
