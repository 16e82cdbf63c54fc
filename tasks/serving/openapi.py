"""OpenAPI document of the prediction server, with an example that works."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec

from configs.schema.use_case import UseCase
from tasks.serving.predictor import ServedRoute

_EXAMPLES = {str: "example", int: 1, float: 1.0, bool: True}


def build_openapi(use_case: UseCase, served: ServedRoute) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the routes that predict."""
    name, row = use_case.name, build_example_row(served)
    schemas, components = msgspec.json.schema_components(
        [served.schema.row_type], ref_template="#/components/schemas/{name}"
    )
    rows = {"type": "array", "items": schemas[0]}
    tensors = [
        {"name": field, "shape": [1], "datatype": _find_tensor_type(value), "data": [value]}
        for field, value in row.items()
    ]
    return {
        "openapi": "3.1.0",
        "info": {"title": use_case.title, "version": str(served.route.champion)},
        "paths": {
            f"/v1/models/{name}:predict": _post("instances", rows, {"instances": [row]}),
            "/invocations": _post("dataframe_records", rows, {"dataframe_records": [row]}),
            f"/v2/models/{name}/infer": _post(
                "inputs", {"type": "array", "items": {"type": "object"}}, {"inputs": tensors}
            ),
        },
        "components": {"schemas": components},
    }


def build_example_row(served: ServedRoute) -> dict[str, Any]:
    """Return a row that is valid: inputs of a golden row, and made-up keys."""
    golden = served.champion.example
    row: dict[str, Any] = {}
    for name, kind in served.schema.fields.items():
        if name in golden:
            value = golden[name]
            # JSON has no NaN
            row[name] = None if isinstance(value, float) and value != value else value
        elif name in served.schema.required:
            row[name] = _make_value(kind)
    return row


def _make_value(kind: Any) -> Any:  # noqa: ANN401
    first = (get_args(kind) or (kind,))[0]
    return datetime(2024, 1, 1, tzinfo=UTC) if first is datetime else _EXAMPLES[first]


def _find_tensor_type(value: object) -> str:
    kinds = {bool: "BOOL", int: "INT64", float: "FP64"}
    return "FP64" if value is None else kinds.get(type(value), "BYTES")


def _post(field: str, rows: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "properties": {field: rows}, "required": [field]}
    error = {"description": "invalid request: `error`, and `field` with its path"}
    return {
        "post": {
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": body, "example": example}},
            },
            "responses": {
                "200": {"description": "predictions, in the order of the rows"}, "400": error,
                "413": error, "429": {"description": "too many requests at a time"},
                "503": {"description": "no prediction now; Retry-After says when"},
            },
        }
    }  # fmt: skip
