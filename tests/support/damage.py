"""Damage to files: flipped bits, cut ends, and files that are gone."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

Harm = Literal["flip", "cut", "remove"]


def damage_file(path: Path, how: Harm, chance: random.Random) -> None:
    """Flip one bit of a file, cut its end off, or remove it."""
    if how == "remove":
        path.unlink()
        return
    content = bytearray(path.read_bytes())
    if how == "flip":
        bit = chance.randrange(8 * len(content))
        content[bit // 8] ^= 1 << bit % 8
    else:
        del content[chance.randrange(len(content)) :]
    path.write_bytes(content)
