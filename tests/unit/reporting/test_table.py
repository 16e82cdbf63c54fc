"""One table, shown by a terminal, in Markdown and in HTML; foreign text stays text in each."""

from datetime import UTC, datetime
from html.parser import HTMLParser
from io import StringIO

import pytest
from rich.console import Console

from tasks.reporting import formats
from tasks.reporting.html import render_html
from tasks.reporting.markdown import escape_markdown, format_code, render_markdown
from tasks.reporting.table import Cell, Column, build_record_table, build_table, transpose_table
from tasks.reporting.terminal import render_terminal, render_text

HOSTILE = [
    "eve[/]",
    "[bold red]eve[/bold red]",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![](http://x/y)",
    "[click](http://x/y)",
    "[click]: http://x/y",
    "a|b||c",
    "`code` and ``more``",
    "*bold* _soft_ **x** ~~gone~~",
    "# heading",
    "- item",
    "1. item",
    "back\\slash \\| \\",
    "&lt;b&gt; &amp; &copy;",
    "snake_case_name and $x$",
    "![a][b] and ![c]",
    "https://evil.example/x.png www.evil.example me@evil.example",
    "<https://evil.example>",
    "<svg/onload=alert(1)>",
    "<!-- hidden -->",
    "<details open ontoggle=alert(1)>",
    "javascript:alert(1)",
    "[x](javascript:alert(1))",
    "> quote",
    "+ item",
    "2) item",
    "---",
    "===",
    "***",
    "~~~",
    "```",
    "    code",
    ":smile: [[wiki]] {{7*7}} ${x} {% x %}",
    "[link=file:///etc/passwd]x[/link]",
    "[@click=app.quit]x[/]",
    "\\[bold]x",
    "<a href='x'>a</a>",
    "%s %(name)s {0} {use_case}",
]


def show_terminal(shown: object) -> str:
    out = StringIO()
    Console(file=out, width=200, force_terminal=True, color_system=None).print(shown)
    return out.getvalue()


class CellReader(HTMLParser):
    """The tags of a page, and the texts of its cells."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells and data.strip():
            self.cells[-1] += data


def read_cells(markdown: str) -> CellReader:
    page = CellReader()
    page.feed(render_html(markdown, "title").split("<body>")[1])
    return page


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_shown_as_it_is(text: str) -> None:
    table = build_table(["who", text], [[text, 1], [Cell(text, "bad"), None]])
    page = read_cells(render_markdown(table))
    shown = text.strip()
    assert page.cells == ["who", shown, shown, "1", shown, "–"]
    assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td", "strong"}
    assert text in show_terminal(render_terminal(table))
    assert show_terminal(render_text(text)) == f"{text}\n"
    paragraph = CellReader()
    paragraph.feed(render_html(escape_markdown(text), "x").split("<body>")[1])
    assert paragraph.tags <= {"p"}, "a line of its own is no heading, list, image or link"


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[31mred", "a\rb", "\x9b31m", "a\u202eb", "\x07\x00\x7f"]
)
def test_control_characters_reach_no_output(text: str) -> None:
    table = build_table(["who"], [[text]])
    for shown in (show_terminal(render_terminal(table)), render_markdown(table), format_code(text)):
        assert not set(shown) & {"\x1b", "\r", "\x9b", "\u202e", "\x07", "\x00", "\x7f"}
    assert "␛[2J" in render_markdown(build_table(["who"], [["\x1b[2J"]]))


def test_lines_are_kept_by_a_terminal_and_joined_in_markdown() -> None:
    table = build_table(["why"], [["one\ntwo"]])
    assert "| one two |" in render_markdown(table)
    assert "one two" not in show_terminal(render_terminal(table))


def test_values_have_one_format_everywhere() -> None:
    at = datetime(2013, 4, 1, 12, 30, tzinfo=UTC)
    table = build_table(["a", "b", "c", "d", "e"], [[12345, 0.5, 1e6, None, at]])
    assert table.records() == [
        {"a": "12,345", "b": "0.5000", "c": "1,000,000", "d": "–", "e": "2013-04-01 12:30"}
    ]
    assert [column.align for column in table.columns] == ["right"] * 3 + ["left"] * 2
    assert formats.format_interval(0.5, 0.4, None, 3) == "0.500"
    assert formats.format_interval(0.5, 0.4, 0.6, 1, signed=True) == "+0.5 [+0.4, +0.6]"
    assert formats.format_number(-0.0, 2, signed=True) == "+0.00"
    assert formats.format_share(None) == formats.format_count(None) == "–"


def test_a_verdict_stands_out_in_each_output() -> None:
    table = build_table([Column("verdict", wrap=False)], [[Cell("✗ fail", "bad")]])
    assert "| **✗ fail** |" in render_markdown(table)
    console = Console(width=30, force_terminal=True, color_system="standard")
    with console.capture() as shown:
        console.print(render_terminal(table))
    assert "\x1b[1;31m✗ fail" in shown.get()


def test_a_table_can_be_turned_and_be_empty() -> None:
    table = transpose_table(
        build_record_table([{"policy": "a", "x": "1"}, {"policy": "b", "x": "2"}])
    )
    assert table.records() == [{"": "x", "a": "1", "b": "2"}]
    assert render_markdown(build_record_table([])) == "(none)"
    assert transpose_table(build_record_table([])).rows == ()
    with pytest.raises(ValueError, match="has 1 cells"):
        build_table(["a", "b"], [[1]])
