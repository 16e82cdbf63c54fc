"""Templates of the site's pages: one look, foreign text as text, and a policy in each page."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from configs.foreign_text import neutralise_text
from tasks.reporting import formats
from tasks.reporting.html import STYLE, restrict_page
from tasks.reporting.table import Cell

_TEMPLATES = Path(__file__).parent / "templates"
_SITE_STYLE = (_TEMPLATES / "site.css").read_text()


def render_page(
    folder: Path, template: str, *, loads_scripts: bool = False, **values: object
) -> str:
    """Return a page of a template that extends site.html.j2.

    Args:
        folder: the folder of the template.
        template: its name.
        loads_scripts: whether the page may load scripts that lie beside it.
        values: variables of the template; texts are escaped.
    """
    page = _environment(folder).get_template(template).render(values)
    return restrict_page(page, loads_scripts=loads_scripts)


@cache
def _environment(folder: Path) -> Environment:
    """Return the template engine: it escapes every text, and refuses undefined names."""
    environment = Environment(
        loader=FileSystemLoader([folder, _TEMPLATES]),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_neutralise,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup(STYLE + _SITE_STYLE)
    environment.filters |= {
        "moment": formats.format_moment,
        "count": formats.format_count,
        "share": formats.format_share,
        "number": formats.format_number,
        "day": lambda moment: formats.format_moment(moment)[:10],
        "cell": lambda value: value if isinstance(value, Cell) else Cell(str(value)),
    }
    return environment


def _neutralise(value: object) -> object:
    """Return a text without control characters; markup of ours as it is."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return neutralise_text(value)
    return value


def neutralise_data(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return data for a page's script, each text of it without control characters."""
    if isinstance(value, dict):
        return {neutralise_data(name): neutralise_data(each) for name, each in value.items()}
    if isinstance(value, list):
        return [neutralise_data(each) for each in value]
    return _neutralise(value)
