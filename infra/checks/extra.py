"""Print what infra/image.lock has beyond requirements.lock, hashes and all: the pools' workers."""

import re
from pathlib import Path

_INFRA = Path(__file__).resolve().parents[1]


def blocks(lock: Path) -> set[str]:
    """A lock file's requirements, each with its hashes."""
    return set(re.split(r"\n(?=\S)", lock.read_text().strip()))


if __name__ == "__main__":
    both = blocks(_INFRA.parent / "requirements.lock")
    print("\n".join(sorted(blocks(_INFRA / "image.lock") - both)))
