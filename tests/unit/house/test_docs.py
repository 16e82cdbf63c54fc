"""Pages and docstrings: short sentences, plain words, and names that exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.core import TyperGroup

from configs.settings import ROOT, Settings
from flows.cli.app import app

DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = ("flows", "tasks", "configs", "infra", "feature_repo", "expectations")
PAGES = [*DOCS, ROOT / "CHANGELOG.md"]
MARKDOWN = MarkdownIt("commonmark").enable("table")

LONGEST_SENTENCE, LONGEST_AVERAGE, GLOSSARY_SIZE = 30, 18, 25
ARCHAIC = re.compile(
    r"\b(reigns?|no more|puts? (\w+ )?(aside|right)|borne|dear|mends?|told of|is at it"
    r"|twice is as once|nobody|somebody|everybody|whoever)\b",
    re.IGNORECASE,
)
NO_VERBS = {"A", "All", "An", "As", "How", "If", "It", "One", "The", "This", "What", "Whether"}
NO_SETTINGS = {"MAINSPRING_HOME", "MAINSPRING_REQUEST_LOG"}  # of workers and of bundles

FOLDERS = "tasks|flows|configs|infra|docs|tests|feature_repo|expectations"
PATH = re.compile(rf"(?<![\w/.<-])(?:{FOLDERS})/[\w./*-]*(?![\w<])")
MADE_BY_USERS = {"infra/.env"}
COMMAND = re.compile(r"(?:^|^\.venv/bin/|&& |\| )mainspring ([a-z][\w-]*)([^|&;>#]*)")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"”')\]]*\s+(?=[\"“'(\[`]*[A-Z0-9`])")


def blocks(text: str) -> Iterator[tuple[str, Token]]:
    """Each inline piece of a page, with what it is in: paragraph, heading or cell."""
    within = ""
    for token in MARKDOWN.parse(text):
        if token.type.endswith("_open"):
            within = token.type.removesuffix("_open")
        elif token.type == "inline":
            yield {"td": "cell", "th": "cell"}.get(within, within), token


def plain(inline: Token) -> str:
    """The words of an inline token: link texts, no addresses; inline code counts as one word."""
    parts = []
    for child in inline.children or []:
        if child.type == "code_inline":
            parts.append("`code`")
        elif child.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif child.type == "text":
            parts.append(child.content)
    return "".join(parts)


def sentences(text: str) -> list[str]:
    return [part for part in SENTENCE_END.split(text) if count_words(part)]


def count_words(sentence: str) -> int:
    return sum(any(c.isalnum() for c in word) for word in sentence.split())


def code(text: str) -> Iterator[str]:
    """All inline code and code blocks of a page."""
    for token in MARKDOWN.parse(text):
        if token.type == "fence":
            yield token.content
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content


def test_sentences_splits_at_ends_of_sentences_only():
    assert sentences("AUC +0.034, e.g. here. It ends. `code` goes on: as 3.5 does.") == [
        "AUC +0.034, e.g. here.",
        "It ends.",
        "`code` goes on: as 3.5 does.",
    ]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_no_sentence_of_a_page_is_too_long(page: Path):
    long = [
        f"{count_words(sentence)} words: {sentence}"
        for _, inline in blocks(page.read_text())
        for sentence in sentences(plain(inline))
        if count_words(sentence) > LONGEST_SENTENCE
    ]
    assert long == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_sentences_of_a_page_are_short_on_average(page: Path):
    counts = [
        count_words(sentence)
        for kind, inline in blocks(page.read_text())
        if kind == "paragraph"
        for sentence in sentences(plain(inline))
    ]
    assert fmean(counts) <= LONGEST_AVERAGE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_has_archaic_idiom(page: Path):
    assert [match.group() for match in ARCHAIC.finditer(page.read_text())] == []


@pytest.mark.parametrize("folder", CODE)
def test_no_docstring_comment_or_message_has_archaic_idiom(folder: str):
    assert [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for suffix in ("py", "j2")
        for path in sorted((ROOT / folder).rglob(f"*.{suffix}"))
        for match in ARCHAIC.finditer(path.read_text())
    ] == []


@pytest.mark.parametrize("folder", CODE)
def test_docstrings_of_functions_begin_with_a_verb(folder: str):
    first_words = [
        (path.name, node.name, (ast.get_docstring(node) or "Return").split()[0])
        for path in sorted((ROOT / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and not is_property(node)
    ]
    assert [each for each in first_words if each[2] in NO_VERBS or not each[2].istitle()] == []


def is_property(function: ast.FunctionDef) -> bool:
    return any("property" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_the_glossary_is_short():
    entries = re.findall(r"^- \*\*", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert 10 <= len(entries) <= GLOSSARY_SIZE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_of_a_page_exist(page: Path):
    text = page.read_text()
    links = {
        str(child.attrs.get("href") or child.attrs.get("src")).split("#")[0]
        for _, inline in blocks(text)
        for child in inline.children or []
        if child.type in ("link_open", "image")
    }
    relative = {link for link in links if link and "://" not in link}
    assert [link for link in relative if not (page.parent / link).exists()] == []
    named = {path.rstrip("./") for line in code_lines(text) for path in PATH.findall(line)}
    assert [path for path in named - MADE_BY_USERS if not any(ROOT.glob(path))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_and_settings_of_a_page_exist(page: Path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    fields = {f"MAINSPRING_{name.upper()}" for name in Settings.model_fields} | NO_SETTINGS
    lines = code_lines(page.read_text())
    assert {name for line in lines for name in re.findall(r"^make ([a-z-]+)", line)} <= targets
    assert set(re.findall(r"MAINSPRING_[A-Z_]*[A-Z]", "\n".join(lines))) <= fields


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_flags_of_a_page_exist(page: Path):
    known = {name: command_flags(name) for name in mainspring_commands()}
    for line in code_lines(page.read_text()):
        for name, rest in COMMAND.findall(line):
            assert name in known, line
            flags = re.findall(r"(?<=[\s\[])--?[a-z][a-z-]*", rest)
            assert name == "feast" or set(flags) <= known[name], line  # feast passes them on


def code_lines(text: str) -> list[str]:
    """Return the lines of all code of a page, continued lines joined."""
    return [line for part in code(text) for line in part.replace("\\\n", " ").splitlines()]


def mainspring_commands() -> dict[str, Any]:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group.commands


def command_flags(name: str) -> set[str]:
    flags = (flag for p in mainspring_commands()[name].params for flag in p.opts + p.secondary_opts)
    return {"--help", *flags}
