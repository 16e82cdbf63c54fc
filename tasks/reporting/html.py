"""HTML pages that are self-contained: Markdown as a page, and pages of other libraries, restricted.

A restricted page has a policy by which a browser runs only the scripts that we put there, known by
their digests, and loads nothing from any other place.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import escape

_STYLE = """
:root { color-scheme: light dark; --ink: #24292f; --soft: #667080; --line: #d8dee4;
  --paper: #ffffff; --band: #f6f8fa; --link: #0a5bb5; }
@media (prefers-color-scheme: dark) { :root { --ink: #dfe3e8; --soft: #97a1ad; --line: #363d46;
  --paper: #14181d; --band: #1c2128; --link: #6cb0f5; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 2.2rem 1.4rem 4rem; max-width: 62rem; background: var(--paper);
  color: var(--ink); font: 15px/1.55 system-ui, sans-serif }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 1rem }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; padding-top: 1rem;
  border-top: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.5rem 0 .4rem }
p, ul { margin: .5rem 0 } li { margin: .2rem 0 }
table { border-collapse: collapse; display: block; overflow-x: auto; font-size: 13px;
  margin: .7rem 0; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 600 }
th, td { padding: .28rem .8rem .28rem .5rem; border-bottom: 1px solid var(--line);
  vertical-align: top }
tbody tr:nth-child(even) { background: var(--band) }
code { font: 12.5px ui-monospace, monospace; background: var(--band); padding: .1em .3em;
  border-radius: 4px; overflow-wrap: anywhere }
img { max-width: 100%; border-radius: 6px; background: #ffffff }
a { color: var(--link) }
"""


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
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def restrict_page(page: str) -> str:
    """Return a page that runs the scripts it has now, and no other, and that loads nothing."""
    digests = (b64encode(sha256(code.encode()).digest()).decode() for code in _SCRIPT.findall(page))
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests) or "'none'"
    policy = (
        f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
    )
    return page.replace(
        "<head>", f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">', 1
    )


def simplify_page(page: str) -> str:
    """Return a page without its scripts and style sheets, in the style of all reports."""
    style = f"<style>{_STYLE}{_DOCS_STYLE}</style>"
    return restrict_page(_LOADED.sub("", page).replace("</head>", f"{style}</head>", 1))
