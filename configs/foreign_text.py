"""Foreign text: what people, files and data bring, before a terminal, page or log shows it.

Every presenter cleans text here first, and then escapes what its own output would interpret:
tasks/reporting has those of terminals and Markdown, tasks/orchestration that of logs.
"""

from __future__ import annotations

_HIDDEN = {  # C1 controls, and characters that reorder or hide the text around them
    *range(0x80, 0xA0), 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2060, 0x2070),
    0xFEFF, *range(0xD800, 0xE000),  # and halves of pairs, which have no UTF-8
}  # fmt: skip
_CONTROLS = (
    {code: 0x2400 + code for code in range(0x20) if chr(code) != "\n"}  # shown as ␛, ␇ …
    | {ord("\t"): " ", 0x7F: "␡"}
    | dict.fromkeys(_HIDDEN, "�")
)


def neutralise_text(text: str) -> str:
    """Return text whose control and invisible characters are replaced by visible ones.

    Line ends stay. An escape sequence then no longer moves a cursor, colours or hides anything.
    """
    return text.translate(_CONTROLS)


def fold_text(text: str) -> str:
    """Return neutralised text on one line."""
    return neutralise_text(" ".join(text.splitlines()))
