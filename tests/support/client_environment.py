"""Virtual environments of clients whose packages do not fit ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def make_environment(folder: Path, *packages: str) -> Path:
    """Install packages into a new environment; return its Python. Skip the test if they do not."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "-q", *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    if done.returncode:
        pytest.skip(f"{packages} cannot be installed: {done.stderr[-300:]}")
    return python


def install_beside(folder: Path, *packages: str) -> Path:
    """Install packages without their requirements into a folder for PYTHONPATH."""
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder)]
    done = subprocess.run([*command, *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{packages} cannot be installed: {done.stderr[-300:]}")
    return folder
