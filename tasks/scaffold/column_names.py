"""Names of a sample's columns in the lake, which meet no name of the program."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping

from configs.schema.names import RESERVED

_LONGEST = 40
_SAFE = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
OWN_NAMES = frozenset(
    {
        *(name for reserved in RESERVED.values() for name in reserved),
        "prediction_time", "label_known_time", "known", "score", "threshold", "as_of", "scored",
        "scored_at", "position", "index", "row", "row_nr", "literal", "len", "count", "label",
        "explained",
    }
)  # fmt: skip
"""Names that some field of the YAML may not have, and others that would confuse a reader."""


def map_names(originals: Iterable[str]) -> Mapping[str, str]:
    """Return the name in the lake of each column by its name in the file.

    A name of small letters, digits and _ stays, unless it is one of ours or of Python: `run_id`
    becomes data_run_id, in every table alike, so that tables can still be joined.
    """
    names_in_file = list(originals)
    kept = [name for name in names_in_file if _choose_name(name) == name]
    names, taken = {name: name for name in kept}, set(kept)
    for original in names_in_file:
        if original not in names:
            names[original] = _avoid(_choose_name(original), taken)
            taken.add(names[original])
    return {original: names[original] for original in names_in_file}


def to_lake_name(original: str) -> str:
    """Return a name in small letters, digits and _: `customerID` becomes customer_id."""
    plain = unicodedata.normalize("NFKD", original.replace("ß", "ss")).encode("ascii", "ignore")
    words = re.sub(r"[^A-Za-z0-9]+", "_", _WORD_BORDER.sub("_", plain.decode())).strip("_").lower()
    name = re.sub(r"_+", "_", words)[:_LONGEST].rstrip("_") or "column"
    return name if name[0].isalpha() else f"x_{name}"[:_LONGEST]


def _choose_name(original: str) -> str:
    name = original if _SAFE.fullmatch(original) else to_lake_name(original)
    if name in OWN_NAMES or keyword.iskeyword(name) or name in ("none", "true", "false"):
        return f"data_{name}"[:_LONGEST]
    return name


def _avoid(name: str, taken: set[str]) -> str:
    """Return a name, with a number behind it if it is taken."""
    number, free = 2, name
    while free in taken:
        free, number = f"{name[: _LONGEST - 4]}_{number}", number + 1
    return free
