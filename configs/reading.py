"""A YAML file that a person wrote: what it holds, or BadConfig that says why nobody can tell."""

from __future__ import annotations

from pathlib import Path

import yaml

from configs.errors import BadConfig


def read_yaml(path: Path, missing: str) -> object:
    """What a file holds; BadConfig if it cannot be read, with `missing` if it is not there."""
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError as gone:
        raise BadConfig(f"{path}: {missing}") from gone
    except OSError as refused:
        raise BadConfig(f"{path}: cannot be read ({refused.strerror})") from refused
    except (yaml.YAMLError, ValueError) as broken:  # no UTF-8, or a day like 2013-02-30
        raise BadConfig(f"{path}: not readable as YAML: {broken}") from broken
