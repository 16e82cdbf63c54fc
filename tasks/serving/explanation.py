"""Explanation on request: what each input adds to the used prediction of a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from configs.schema.use_case import UseCase
from tasks.models.registry import Model, open_model
from tasks.models.row_contributions import explain_rows
from tasks.serving.protocols.shape import list_records
from tasks.serving.row_schema import BadRequest
from tasks.serving.service import AnsweredRequest

MOST_EXPLAINED = 100  # rows of a request: each takes hundreds of predictions
_ORDERS = 64  # of the inputs


def require_few_rows(rows: Sequence[object]) -> None:
    """Raise BadRequest 413 if a request has too many rows to be explained."""
    if len(rows) > MOST_EXPLAINED:
        raise BadRequest(
            f"{len(rows)} rows are more than {MOST_EXPLAINED}; explain fewer at a time", "$", 413
        )


def explain_request(use_case: UseCase, answered: AnsweredRequest) -> dict[str, Any]:
    """Return the predictions of a request, each with the contributions of its inputs.

    The largest comes first. They add up to the value minus the mean value of the version's golden
    rows; of classes, to the probability of the decided class.
    """
    records = list_records(answered)
    for version in {rows.version for rows, _ in answered.predicted.used}:
        model = open_model(use_case.name, version)
        places = [place for rows, place in answered.predicted.used if rows.version == version]
        contributions = _list_contributions(use_case, model, answered, places)
        for place, listed in zip(places, contributions, strict=True):
            records[place]["contributions"] = listed
    return {"predictions": records, "request_id": answered.request_id}


def _list_contributions(
    use_case: UseCase, model: Model, answered: AnsweredRequest, places: Sequence[int]
) -> list[list[dict[str, Any]]]:
    """Return input, value and contribution of each row, the largest contribution first."""
    inputs, schema = answered.predicted.inputs, model.card.inputs
    numbers = dict.fromkeys(schema.numeric, pl.Float64())
    types = numbers | dict.fromkeys(schema.categorical, pl.String())
    columns = {
        name: pl.Series(name, [inputs[name][place] for place in places], kind, strict=False)
        for name, kind in types.items()
    }
    contributions = explain_rows(model, pl.DataFrame(columns), _ORDERS, use_case.seed)
    return [
        sorted(
            (
                {"input": name, "value": inputs[name][place], "contribution": float(value)}
                for name, value in zip(schema.inputs, row, strict=True)
            ),
            key=lambda each: -abs(each["contribution"]),
        )
        for place, row in zip(places, contributions, strict=True)
    ]
