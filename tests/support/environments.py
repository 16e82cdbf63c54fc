"""Virtual environments of targets, made from hashed lock files; each is made once."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

from filelock import FileLock

from configs.settings import ROOT

LOCKS = ROOT / "tests" / "targets" / "environments"
FOLDER = ROOT / ".venv-targets"


def make_locked_environment(target: str) -> dict[str, str]:
    """Make the environment of a target, if its lock file changed; return variables to run in it."""
    lock, folder = LOCKS / f"{target}.txt", FOLDER / target
    digest, marker = sha256(lock.read_bytes()).hexdigest(), folder / ".ready"
    FOLDER.mkdir(exist_ok=True)
    with FileLock(FOLDER / f"{target}.lock"):
        if not marker.exists() or marker.read_text() != digest:
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run(
                [folder / "bin" / "python", *install, "--no-deps", "--require-hashes", "-r", lock],
                check=True,
            )
            marker.write_text(digest)
    inherited = {
        name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ
    }
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    return inherited | {"PATH": path, "ORT_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
