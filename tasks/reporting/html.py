"""HTML pages that are self-contained: Markdown as a page, and pages of other libraries, restricted.

A restricted page has a policy by which a browser runs only the scripts that we put there, known by
their digests, and loads nothing from any other place.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from pathlib import Path

STYLE = (Path(__file__).parent / "templates" / "style.css").read_text()
"""The look of every page."""
_DOCS_STYLE = """
.modal, .navbar-toggler, .navbar-brand, .btn-group-toggle, footer { display: none }
.fa-check-circle::before { content: "✓" } .fa-times::before { content: "✗" }
"""
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_LOADED = re.compile(r"<script\b.*?</script>|<link\b[^>]*>", re.DOTALL)


def render_html(text: str, title: str) -> str:
    """Return a self-contained HTML page of Markdown, whose HTML tags are shown as text."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return restrict_page(
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def restrict_page(page: str, *, loads_scripts: bool = False) -> str:
    """Return a page that runs the scripts it has now, and no other, and that loads nothing.

    With `loads_scripts` it may load scripts of its own place too, where only our files are.
    """
    digests = (b64encode(sha256(code.encode()).digest()).decode() for code in _SCRIPT.findall(page))
    allowed = ["'self'"] * loads_scripts + [f"'sha256-{digest}'" for digest in digests]
    scripts = " ".join(allowed) or "'none'"
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return page.replace(
        "<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">', 1
    )


def simplify_page(page: str) -> str:
    """Return a page without its scripts and style sheets, in the style of all reports."""
    style = f"<style>{STYLE}{_DOCS_STYLE}</style>"
    return restrict_page(_LOADED.sub("", page).replace("</head>", f"{style}</head>", 1))
