"""Bundle of a version: model file, card, golden rows and handler, for targets outside."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version as installed_version
from importlib.resources import files as package_files
from typing import Any

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from tasks.evaluation.problem_types import recorded_problem_type
from tasks.models.artifact import read_golden_inputs
from tasks.models.one_file.export import export_one_file, predict_one_file
from tasks.models.one_file.inputs import MISSING_CATEGORY, Layout
from tasks.models.one_file.outputs import find_output_names
from tasks.models.registry import Model

MODEL_FILE, CARD_FILE, GOLDEN_FILE = "model.onnx", "card.json", "golden.jsonl"
_HANDLER_FILES = ("bundle.py", "server.py", "server-requirements.txt")
_LAYOUT: Layout = "blocks"
_RUNTIME = ("numpy", "onnxruntime")
_TEMPLATES = package_files("infra.serving")


def build_bundle(use_case: UseCase, model: Model, target: str | None = None) -> dict[str, bytes]:
    """Return the files of a version's bundle by name, each with its content.

    Args:
        use_case: names the keys by which requests are logged.
        model: the version, whose one-file model is compared with its golden rows first.
        target: adds the files of this target.

    Raises:
        BadModel: the one-file model predicts golden rows differently.
        BadConfig: there is no such target.
    """
    onnx = export_one_file(model, _LAYOUT).onnx
    golden = _encode_golden_rows(model, onnx)
    card = _build_bundle_card(use_case, model, onnx, golden)
    bundle = {
        MODEL_FILE: onnx,
        CARD_FILE: json.dumps(card, indent=1, ensure_ascii=False).encode(),
        GOLDEN_FILE: golden,
        **{name: _TEMPLATES.joinpath(name).read_bytes() for name in _HANDLER_FILES},
        "requirements.txt": "".join(f"{n}=={installed_version(n)}\n" for n in _RUNTIME).encode(),
        "README.md": _render("README.md.j2", card),
    }
    return bundle | (_build_target_files(target, card) if target else {})


def list_targets() -> list[str]:
    """Return the names of the targets that a bundle can be filled for."""
    return sorted(
        each.name for each in _TEMPLATES.iterdir() if each.is_dir() and each.name[0] not in "_."
    )


def _build_bundle_card(
    use_case: UseCase, model: Model, onnx: bytes, golden: bytes
) -> dict[str, Any]:
    card = model.card
    names = find_output_names(card, _LAYOUT)
    return {
        "name": card.use_case,
        "title": card.title,
        "version": model.version,
        "kind": card.kind,
        "digest": sha256(onnx).hexdigest(),
        "registered_digest": card.digest,
        "golden_digest": sha256(golden).hexdigest(),
        "layout": _LAYOUT,
        "inputs": {
            "numeric": list(card.inputs.numeric),
            "categorical": list(card.inputs.categorical),
        },
        "missing_category": MISSING_CATEGORY,
        "keys": list(use_case.spine.key),
        "outputs": [name for name in (*names.values, names.decision) if name is not None],
        "value": recorded_problem_type(card).value_column,
        "classes": list(card.classes),
        "threshold": card.threshold,
        "feature_service": card.feature_service,
        "trained_until": card.trained_until.isoformat(),
    }


def _encode_golden_rows(model: Model, onnx: bytes) -> bytes:
    """Return a JSON line a golden row: inputs, value and decision; what is not finite is null."""
    rows = read_golden_inputs(model.golden).select(model.card.inputs.inputs)
    values, decisions = predict_one_file(onnx, model.card, rows, _LAYOUT)
    listed = values.tolist() if model.card.kind == "multiclass" else values[:, 0].tolist()
    floats = [pl.col(name) for name, kind in rows.schema.items() if kind.is_float()]
    inputs = rows.with_columns(
        *(pl.when(number.is_finite()).then(number) for number in floats),
        *(pl.col(name).cast(pl.String) for name in model.card.inputs.categorical),
    )
    decided: Sequence[Any] = listed if decisions is None else decisions.tolist()
    lines = zip(inputs.iter_rows(named=True), listed, decided, strict=True)
    return b"".join(
        json.dumps({"inputs": row, "value": value, "decision": decision}).encode() + b"\n"
        for row, value, decision in lines
    )


def _build_target_files(target: str, card: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a target; those that end in .j2 are filled with facts of the card."""
    if target not in list_targets():
        raise BadConfig(f"target {target} not found; targets: {', '.join(list_targets())}")
    contents = {}
    for each in _TEMPLATES.joinpath(target).iterdir():
        name = each.name.removesuffix(".j2")
        if each.is_file() and not name.startswith("__"):
            path = f"{target}/{each.name}"
            contents[name] = _render(path, card) if name != each.name else each.read_bytes()
    return contents


def _render(path: str, card: Mapping[str, Any]) -> bytes:
    from jinja2 import Environment, StrictUndefined

    text = _TEMPLATES.joinpath(path).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string(text).render(card=card).encode()
