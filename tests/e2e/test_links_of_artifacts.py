"""Every link of every artifact of a loop on real servers leads to a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urldefrag

import httpx
import pytest

from infra.servers.credentials import read_token
from tasks.ledger.log import open_ledger
from tasks.promotion.manual_promotion import promote_manually
from tests.support.prefect_artifacts import list_artifacts
from tests.support.prefect_server import EARLIER, LATER, NAME, run_servers

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
LINK = re.compile(r"\]\((https?://[^\s)]+)\)|\bhref=[\"'](https?://[^\"']+)|<(https?://[^>\s]+)>")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the artifacts of ingest, train, score, monitor and watch show, by key."""
    from flows.monitor import monitor
    from flows.score import score
    from flows.train import train
    from flows.watch import watch

    with run_servers(tmp_path_factory.mktemp("links"), mlflow=True, reports=True) as use_case:
        train(NAME, as_of=EARLIER)
        promote_manually(open_ledger(), use_case, 1, EARLIER, "test", "to score")
        score(NAME, as_of=LATER, window="7d")
        monitor(NAME, as_of=LATER, force=True)
        watch(NAME, as_of=LATER)
        yield {each.key or str(each.id): str(each.data) for each in list_artifacts()}


def test_every_link_of_every_artifact_answers(artifacts: dict[str, str]) -> None:
    links = {
        urldefrag(next(filter(None, groups)))[0]: key
        for key, text in artifacts.items()
        for groups in LINK.findall(text)
    }
    headers = {"authorization": f"Bearer {read_token()}", "accept": "text/html,*/*"}
    with httpx.Client(headers=headers, follow_redirects=True, timeout=60) as client:
        dead = {link: key for link, key in links.items() if client.get(link).status_code != 200}
    assert dead == {}
    assert len({link.split("/")[2] for link in links}) >= 2, "reports and MLflow"
    assert {"overview-flights", "flights-distributions"} <= set(artifacts)


def test_no_artifact_leads_to_a_file_of_this_machine(artifacts: dict[str, str]) -> None:
    assert [key for key, text in artifacts.items() if "file://" in text] == []
