"""Pages: what stands in them, accessible, and foreign text as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadConfig
from tasks.ledger.log import Entry
from tasks.ledger.state import fold_ledger
from tasks.overview.facts import ModelFacts
from tasks.overview.pages import render_index, render_model
from tasks.overview.summary import build_summary
from tasks.overview.trends import build_trend, list_shown_metrics
from tests.support.hostile_texts import HOSTILE_TEXTS

MARKUP = [
    *HOSTILE_TEXTS,
    "</script><script>alert(1)</script>", '<img src=x onerror="alert(1)">', "<!--",
    '"><svg onload=alert(1)>', "</title><b>", "{{ 7 * 7 }}", "javascript:alert(1)", "\x1b[31mred",
    "&lt;b&gt;", "</style><style>*{display:none}", "]]>", "‮reversed",
]  # fmt: skip


def pages_of(facts: ModelFacts) -> tuple[str, str]:
    shown = list_shown_metrics(facts.use_case)
    trends = [build_trend(facts.use_case, facts.measured, name) for name in shown]
    summary = build_summary(facts, trends)
    titles = {facts.use_case.name: facts.use_case.title}
    return render_index({summary.name: summary}, titles, {}), render_model(facts, summary, trends)


def with_text(facts: ModelFacts, text: str) -> ModelFacts:
    """The facts with a foreign text wherever one can be: title, reason, cause, actor, input."""
    at = datetime(2013, 6, 1, tzinfo=UTC)
    evidence = {"cause": f"drift:{text}", "kind": "drift", "message": text, "severity": "ticket"}
    check = {"gate": text, "asked": text, "measured": text, "verdict": "fail"}
    entries = [
        *facts.ledger.entries,
        Entry("calm", "episode_opened", "episode:x", at, text, 1, evidence, seq=90),
        Entry("calm", "refused", "decision:9", at, text, 9, {"reason": text, "gates": [check]}, 91),
        Entry("calm", "retired", "retired:x", at, text, None, {"reason": text}, 92),
    ]
    is_carrier = (pl.col("kind") == "drift") & (pl.col("subject") == "carrier")
    subject = pl.when(is_carrier).then(pl.lit(text)).otherwise(pl.col("subject"))
    measured = facts.measured.with_columns(subject.alias("subject"))
    return replace(
        facts,
        use_case=facts.use_case.model_copy(update={"title": text}),
        ledger=fold_ledger(entries),
        measured=measured,
    )


@pytest.fixture(scope="module")
def clean(facts: ModelFacts) -> tuple[str, str]:
    return pages_of(facts)


def tags_of(page: str) -> dict[str, int]:
    body = re.sub(r"(?s)<script.*?</script>", "<script></script>", page)
    names = re.findall(r"<(/?[a-zA-Z!][\w-]*)", body)
    return {name: names.count(name) for name in names}


@pytest.mark.parametrize("text", MARKUP)
def test_foreign_text_is_never_markup(facts: ModelFacts, text: str) -> None:
    plain, hostile = (pages_of(with_text(facts, each)) for each in ("plain", text))
    for expected, page in zip(plain, hostile, strict=True):
        assert tags_of(page) == tags_of(expected)
        assert "\x1b" not in page
        assert "‮" not in page
        assert "49" not in re.findall(r"(?s)<h1>.*?</h1>", page)[0]


def test_data_of_the_script_is_the_json_that_was_meant(facts: ModelFacts) -> None:
    page = pages_of(with_text(facts, "</script><b>"))[1]
    block = re.search(r'(?s)<script type="application/json" id="data">(.*?)</script>', page)
    assert block is not None
    assert "</script><b>" in json.loads(block[1])["drift"]["inputs"]


def test_the_policy_allows_no_other_script_and_no_request(clean: tuple[str, str]) -> None:
    index, model = clean
    assert "script-src 'none'" in index
    assert "<script" not in index
    assert re.search(r"script-src 'self' 'sha256-[\w+/=]+';", model)
    for page in clean:
        assert "default-src 'none'" in page
        assert not re.findall(r'(?:src|href)="(?:https?:)?//(?!127\.0\.0\.1)', page)


def test_pages_are_accessible(clean: tuple[str, str]) -> None:
    for page in clean:
        assert '<html lang="en">' in page
        assert page.count("<h1>") == 1
        assert '<meta name="viewport"' in page
        assert "prefers-color-scheme: dark" in page
        assert not re.findall(r"<th(?! scope)[ >]", page)
        assert len(re.findall(r'<svg[^>]*role="img" aria-label="[^"]+"', page)) == page.count(
            "<svg"
        )
        assert not re.findall(r'class="chart"(?! role="img" aria-label)', page)


def test_links_of_a_model_page_lead_to_its_anchors(clean: tuple[str, str]) -> None:
    _, model = clean
    anchors = set(re.findall(r'id="([\w-]+)"', model))
    assert set(re.findall(r'href="#([\w-]+)"', model)) <= anchors
    data = json.loads(re.findall(r'(?s)id="data">(.*?)</script>', model)[0])
    assert {mark["link"][1:] for mark in data["marks"]} <= anchors


def test_index_of_nothing_and_of_models_without_a_run(facts: ModelFacts) -> None:
    assert "mainspring new" in render_index({}, {}, {})
    page = render_index({}, {"fresh": "A title"}, {"torn": BadConfig("torn.yaml is invalid")})
    assert "ingest/fresh" in page
    assert "torn.yaml is invalid" in page


def test_pages_of_a_model_of_which_nothing_is_known(site: Path, facts: ModelFacts) -> None:
    empty = replace(facts, ledger=fold_ledger([]), measured=facts.measured.clear(), latest={})
    index, model = pages_of(empty)
    assert "No champion yet" in index
    assert "No window was monitored yet" in model
    assert "No version was registered yet" in model
