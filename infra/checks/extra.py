"""Requirements of infra/image.lock beyond requirements.lock, with hashes: the workers of pools."""

import re
from pathlib import Path

_INFRA = Path(__file__).resolve().parents[1]


def read_requirements(lock: Path) -> set[str]:
    """Return a lock file's requirements, each with its hashes."""
    return set(re.split(r"\n(?=\S)", lock.read_text().strip()))


if __name__ == "__main__":
    shared = read_requirements(_INFRA.parent / "requirements.lock")
    print("\n".join(sorted(read_requirements(_INFRA / "image.lock") - shared)))
