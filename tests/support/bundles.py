"""Bundles on disk, opened with the handler that lies beside the model."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

from configs.schema.use_case import UseCase
from tasks.models.registry import Model
from tasks.targets.bundle import build_bundle


def write_bundle(folder: Path, use_case: UseCase, model: Model, target: str | None = None) -> Path:
    """Write a bundle into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in build_bundle(use_case, model, target).items():
        (folder / name).write_bytes(content)
    return folder


def load_handler(folder: Path) -> ModuleType:
    """Import the handler of a bundle, as a target does."""
    spec = importlib.util.spec_from_file_location("bundle", folder / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
