"""The overview in a real Chromium: clicked through, without an error, a request or a dead link."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import httpx
import pytest

from configs.settings import settings
from infra.servers.credentials import read_token
from infra.servers.guard import sign_in_link
from tasks.ledger.log import open_ledger
from tasks.model_cards.page import write_card_page
from tasks.models.registry import open_model
from tasks.overview.write import write_all_overviews
from tests.support.chromium import Page, browse
from tests.support.parcel_rows import APRIL, parcel_rows
from tests.support.prefect_server import until
from tests.support.small_case import SmallCase, small_case
from tests.support.stack import run_stack

pytestmark = [pytest.mark.server, pytest.mark.timeout(400)]
DAY = timedelta(days=1)
HOSTILE = "</script><img src=x onerror=alert(1)> ![x](http://evil.example/x)"


@pytest.fixture(scope="module")
def parcels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallCase]:
    """Two versions of parcels, three monitored windows, and rows in quarantine."""
    with small_case(tmp_path_factory.mktemp("case"), yaml={"title": HOSTILE}) as case:
        case.land("spring", parcel_rows(APRIL - 40 * DAY, days=40))
        case.ingest(APRIL)
        for version in (1, 2):
            case.train(APRIL, f"train:{version}")
            case.promote(version, APRIL + (version - 1) * DAY)
        for week in (1, 2):
            start = APRIL + 7 * (week - 1) * DAY
            case.land(f"week{week}", parcel_rows(start, days=7), at=start)
            case.ingest(APRIL + 7 * week * DAY)
            case.score(APRIL + 7 * week * DAY, "7d")
            case.monitor(APRIL + 7 * week * DAY)
        assert open_ledger().entries(case.name)
        yield case


@pytest.fixture(scope="module")
def servers(parcels: SmallCase) -> Iterator[dict[str, str]]:
    """The addresses of the servers, once the pages have links to them."""
    with run_stack(mlflow=True, reports=True, deployed=False) as addresses:
        for version in (1, 2):
            card = open_model(parcels.name, version).card
            write_card_page(card, version, parcels.ledger())
        assert write_all_overviews(None) == {}
        yield addresses


@pytest.fixture(scope="module")
def page(servers: dict[str, str]) -> Iterator[Page]:
    with browse() as page:
        for domain in ("Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.open(sign_in_link(servers["Reports"], read_token()))
        until(lambda: page.run("document.querySelector('h1')?.textContent") or None, "overview", 60)
        page.events.clear()
        yield page


def follow(page: Page, selector: str) -> str:
    """Click a link, and return the address that it leads to, without the part after #."""
    before = page.run("location.href")
    page.run(f"document.querySelector({json.dumps(selector)}).click()")
    until(lambda: page.run("location.href") != before or None, f"what {selector} leads to", 30)
    until(lambda: page.run("document.readyState") == "complete" or None, "page", 30)
    return str(page.run("location.href"))


def require_quiet(page: Page, server: str) -> None:
    """Require that the pages so far made no error, and no request to any other place."""
    errors = [
        event
        for event in page.events
        if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        or (event["method"] == "Runtime.consoleAPICalled" and event["params"]["type"] == "error")
    ]
    assert errors == []
    asked = [
        event["params"]["request"]["url"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked
    assert [url for url in asked if not url.startswith((server, "data:", "blob:"))] == []


def test_a_person_clicks_from_all_models_to_every_kind_of_page(
    servers: dict[str, str], page: Page
) -> None:
    page.open(servers["Reports"])
    assert "parcels" in page.run("document.body.innerText")
    assert follow(page, "a.name").endswith("/parcels/index.html")
    assert HOSTILE in page.run("document.querySelector('h1').textContent")
    assert page.run("document.querySelectorAll('.chart .main-svg').length") >= 3
    assert page.run("document.querySelectorAll('#decisions + table tbody tr').length") == 2
    page.run("document.querySelector('#compare').a.value = '1'")
    page.run("document.querySelector('#compare').dispatchEvent(new Event('change'))")
    assert page.run("document.querySelectorAll('#versions-table thead th').length") == 4
    assert follow(page, "a[href^='models/v2']").endswith("/parcels/models/v2.html")
    page.open(f"{servers['Reports']}/parcels/index.html")
    assert "/validation/" in follow(page, "a[href^='validation/']")
    assert "Rules that rows or files broke" in page.run("document.body.innerText")
    assert follow(page, ".trail a[href='../index.html']").endswith("/parcels/index.html")
    require_quiet(page, servers["Reports"])


@pytest.mark.parametrize("width", [1600, 1024, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_its_window(
    servers: dict[str, str], page: Page, width: int, scheme: str
) -> None:
    page.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
        mobile=width < 500,
    )  # fmt: skip
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.call("Emulation.setEmulatedMedia", features=features)
    for path in ("/", "/parcels/index.html"):
        page.open(servers["Reports"] + path)
        assert page.run("document.documentElement.scrollWidth") <= width


def test_pages_work_from_a_folder_too(parcels: SmallCase, page: Page) -> None:
    page.open((Path(settings().reports) / "index.html").as_uri())
    assert follow(page, "a.name").startswith("file://")
    assert page.run("document.querySelectorAll('.chart .main-svg').length") >= 3


def test_every_link_of_every_page_answers(servers: dict[str, str]) -> None:
    start, seen, dead = f"{servers['Reports']}/index.html", set(), []
    # Prefect serves its pages only to clients that accept HTML, as browsers do
    headers = {"authorization": f"Bearer {read_token()}", "accept": "text/html,*/*"}
    with httpx.Client(headers=headers, follow_redirects=True, timeout=60) as client:
        pages = [start]
        while pages:
            address = pages.pop()
            if address in seen:
                continue
            seen.add(address)
            answer = client.get(address)
            if answer.status_code != 200:
                dead.append(address)
            is_page = "text/html" in answer.headers["content-type"]
            if not (address.startswith(servers["Reports"]) and is_page):
                continue
            for link in find_links(answer.text):
                target, anchor = urldefrag(urljoin(address, link))
                same = target == address or not target
                if anchor and same and f'id="{unquote(anchor)}"' not in answer.text:
                    dead.append(f"{address}#{anchor}")
                if urlsplit(target).scheme in ("http", "https"):
                    pages.append(target)
    assert dead == []
    kinds = ("/parcels/index.html", "/models/v1.html", "/validation/")
    assert all(any(kind in address for address in seen) for kind in kinds)
    assert any(address.startswith(servers["MLflow"]) for address in seen)
    assert any(address.startswith(servers["Prefect"]) for address in seen)


def find_links(text: str) -> list[str]:
    from html.parser import HTMLParser

    found: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            named = dict(attrs)
            link = named.get("href" if tag == "a" else "src")
            if link and not link.startswith(("data:", "mailto:")):
                found.append(link)

    Links().feed(text)
    return found


def test_the_server_reads_only_and_leads_to_no_other_file(servers: dict[str, str]) -> None:
    address, headers = servers["Reports"], {"authorization": f"Bearer {read_token()}"}
    (Path(settings().reports) / "out").symlink_to(settings().state)
    with httpx.Client(base_url=address, headers=headers) as client:
        for path in ("/../token", "/%2e%2e/token", "/..%2ftoken", "/parcels/../../token",
                     "//etc/passwd", "/out/token", "/%00"):  # fmt: skip
            answer = client.get(path)
            assert answer.status_code in (400, 404), path
            assert read_token() not in answer.text
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, "/index.html").status_code in (404, 405)
        kinds = {
            "/index.html": "text/html", "/parcels/models/v1.json": "application/json",
        }  # fmt: skip
        for path, kind in kinds.items():
            assert client.get(path).headers["content-type"].startswith(kind)
            assert client.get(path).headers["x-content-type-options"] == "nosniff"
    (Path(settings().reports) / "out").unlink()
    assert httpx.get(f"{address}/index.html").status_code == 401


def test_a_deep_link_survives_the_sign_in(servers: dict[str, str]) -> None:
    with browse() as fresh:
        fresh.open(f"{servers['Reports']}/parcels/index.html#decisions")
        assert "/sign-in?next=" in fresh.run("location.href")
        fresh.run(f"document.forms[0].token.value = {json.dumps(read_token())}")
        fresh.run("document.forms[0].requestSubmit()")
        reached = f"{servers['Reports']}/parcels/index.html#decisions"
        until(lambda: fresh.run("location.href") == reached or None, reached, 30)
