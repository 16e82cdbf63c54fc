"""What is imported sends nothing to its maker."""

import os
import subprocess
import sys
from pathlib import Path

from configs import LIBRARIES
from configs.settings import ROOT


def test_onnx_runtime_keeps_no_events_to_send(tmp_path: Path) -> None:
    """Where it sends them, it first writes them into a database of the home folder."""
    inherited = {name: value for name, value in os.environ.items() if name not in LIBRARIES}
    homes = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME")}
    subprocess.run(
        [sys.executable, "-c", "import configs, onnxruntime"],
        cwd=ROOT, env=inherited | homes, check=True,
    )  # fmt: skip
    assert list(tmp_path.rglob("*")) == []
