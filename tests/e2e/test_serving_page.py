"""The commands of docs/serving.md, on flights of January."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis import Redis

from configs.settings import ROOT
from tasks.ledger.log import open_ledger
from tasks.promotion.manual_promotion import promote_manually
from tests.support.canary import canary_use_case, prepare_canary
from tests.support.prefect_server import until
from tests.support.programs import find
from tests.support.redis import RedisServer
from tests.support.served_process import running_server
from tests.support.state import state
from tests.support.streamed_process import running_stream

PAGE = (ROOT / "docs" / "serving.md").read_text()
OF_DEMO = "MAINSPRING_STATE=.mainspring/demo mainspring"
NOT_HERE = (
    "make demo",
    f"{OF_DEMO} serve",
    f"{OF_DEMO} stream",
    "mainspring export",
)  # run by other tests


def commands_of_page() -> list[str]:
    """Every command in the page's blocks; one may have several lines."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    blocks = [block for language, block in fences if not language]
    commands = [line for block in blocks for line in re.split(r"\n(?=[a-zA-Z])", block.strip())]
    return [command for command in commands if not command.startswith(NOT_HERE)]


@pytest.fixture
def flights(tmp_path: Path) -> Iterator[None]:
    """Two versions of which the second is champion, so that a rollback has a way back."""
    with state(tmp_path):
        case = canary_use_case()
        prepare_canary(case)
        promote_manually(open_ledger(), case, 2, datetime.now(UTC), "test", "for a test")
        yield


def test_commands_of_the_page_work(flights: None, redis: RedisServer, tmp_path: Path) -> None:
    find("curl")
    broker = redis.database()
    commands = commands_of_page()
    assert len(commands) >= 5
    answers = []
    with (
        running_server("flights", tmp_path) as (_, url),
        running_stream("flights", tmp_path, broker),
    ):
        for command in commands:
            own = command.replace("http://localhost:8080", url)
            own = own.replace("redis-cli", f"redis-cli --no-auth-warning -u {broker}")
            own = own.replace(OF_DEMO, f"{sys.executable} -m flows.cli.app")
            done = subprocess.run(
                own, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
            if command.startswith("curl"):
                answers.append(json.loads(done.stdout))
                assert "error" not in answers[-1], answers[-1]
        with Redis.from_url(broker) as client:
            until(lambda: client.xlen("flights.predictions"), "answer", seconds=60)
    predicted = next(answer for answer in answers if "predictions" in answer)
    assert predicted["predictions"][0]["missing_features"] > 0
