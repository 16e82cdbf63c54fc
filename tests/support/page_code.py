"""Code blocks of a docs page, by language."""

from __future__ import annotations

import re

from configs.settings import ROOT


def read_code_block(page: str, language: str) -> str:
    """The only block of a language on a page."""
    text = (ROOT / "docs" / page).read_text()
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return str(block)
