"""Lake, files and errors on a real S3 server."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import polars as pl
import pytest
from typer.testing import CliRunner

from configs.errors import BadConfig, Conflict, MainspringError, NoRows, Transient
from configs.schema.loading import load_use_case
from configs.settings import settings
from flows.cli.app import app
from infra.preflight import MARKER, check_s3_addresses
from tasks.ingestion import landing
from tasks.scaffold.sample import read_sample
from tasks.storage import files
from tasks.storage.lake import Lake, open_lake
from tests.support.day_rows import NEW_YEAR, WEEK, days
from tests.support.fork_server import fork
from tests.support.landing import ingest_landed, real_files, rows_of
from tests.support.s3 import S3
from tests.support.state import forget

pytestmark = pytest.mark.system  # seconds each; CI runs them with the system tests

WRITERS, BATCHES = 2, 12


@pytest.fixture
def lake(bucket: str) -> Lake:
    return Lake(f"s3://{bucket}/lake/flights")


def test_a_lake_keeps_its_promises(lake):
    with pytest.raises(NoRows, match="nothing was ever written"):
        lake.scan("t")
    assert (lake.exists("t"), lake.version("t"), lake.note("t")) == (False, None, {})
    assert lake.append_once("t", {"one": days(0, 2), "two": days(2, 3)}) == 0
    assert lake.append_once("t", {"two": days(2, 3)}) == 0
    assert lake.append_once("t", {"two": days(2, 3), "three": days(3, 9)}, note={"to": 9}) == 1
    assert lake.holds("t", "three")
    assert lake.replace_window("t", days(0, 5, 7), "day", WEEK) == 2
    assert lake.replace_window("t", days(0, 5, 7), "day", WEEK, keys=["day"]) == 2
    assert lake.scan("t").collect().sort("day")["value"].to_list() == [7] * 5 + [0] * 2
    assert lake.scan("t", version=1).collect().height == 9
    assert lake.note("t") == {"to": 9}
    assert lake.earliest_changed("t", "day", 0, 1) == NEW_YEAR + timedelta(days=3)
    view = Lake("elsewhere", lake.root, {"t": 0})
    assert view.scan("t").collect().height == 3


def batch(writer: int, number: int) -> pl.DataFrame:
    return days(number, number + 1, value=writer)


def append_all(root: str, writer: int) -> None:
    """What a racing process does: batches of its own, and batches that the other has too."""
    lake = Lake(root)
    for number in range(BATCHES):
        for name, rows in (
            (f"{writer}: {number}", batch(writer, number)),
            (f"both: {number}", batch(9, number)),
        ):
            insist(lambda name=name, rows=rows: lake.append_once("t", {name: rows}))


def replace_all(root: str, writer: int) -> None:
    """What a racing process does: one day after the other, each its writer's own."""
    for number in range(BATCHES):
        day = 2 * number + writer
        window = (NEW_YEAR + timedelta(days=day), NEW_YEAR + timedelta(days=day + 1))
        rows = days(day, day + 1, value=writer)
        insist(lambda w=window, r=rows: Lake(root).replace_window("t", r, "day", w))


def insist(write) -> None:
    """Try again when another writer was first, as the flows' tasks do."""
    deadline = time.monotonic() + 120
    while True:
        try:
            write()
        except Conflict:
            assert time.monotonic() < deadline
            continue
        return


def race(job, root: str) -> None:
    racers = [fork(job, root, writer) for writer in range(WRITERS)]
    for process in racers:
        process.join(200)
    assert [process.exitcode for process in racers] == [0] * WRITERS


def test_lake_append_by_two_processes_loses_and_doubles_nothing(lake):
    race(append_all, lake.root)
    held = lake.scan("t").collect()
    wanted = pl.concat(batch(w, n) for w in (*range(WRITERS), 9) for n in range(BATCHES))
    assert held.sort("day", "value").equals(wanted.sort("day", "value"))
    assert lake.version("t") == wanted.height - 1


def test_two_processes_that_replace_windows_at_once_lose_nothing(lake):
    lake.append_once("t", {"first": days(-2, 0)})
    race(replace_all, lake.root)
    held = lake.scan("t").collect().sort("day").filter(pl.col("day") >= NEW_YEAR)
    assert held["value"].to_list() == [0, 1] * BATCHES


def test_of_many_at_the_same_first_commit_one_gets_in(lake):
    def append(_: int) -> bool:
        try:
            lake.append_once("raw/x", {"one": days(1, 2)})
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert any(pool.map(append, range(4)))
    assert lake.scan("raw/x").collect().height == 1


def test_files_are_written_listed_and_shown_as_what_they_are(bucket, s3_server):
    address = f"s3://{bucket}/reports/flights/it.html"
    assert not files.file_exists(address)
    assert files.list_files(f"s3://{bucket}/reports") == []
    files.write_file(address, b"<p>")
    assert files.file_exists(address)
    assert files.read_file(address) == b"<p>"
    kind = s3_server.client().head_object(Bucket=bucket, Key="reports/flights/it.html")
    assert kind["ContentType"] == "text/html"
    with pytest.raises(FileNotFoundError):
        files.read_file(f"s3://{bucket}/none")


def test_a_pattern_finds_objects_in_its_folder_only(bucket):
    for name in ("a.csv", "b.csv", "deep/c.csv", "d.parquet"):
        files.write_file(f"s3://{bucket}/samples/{name}", b"1")
    assert files.match_files(f"s3://{bucket}/samples/*.csv") == [
        f"s3://{bucket}/samples/a.csv",
        f"s3://{bucket}/samples/b.csv",
    ]
    assert files.match_files(f"s3://{bucket}/s*/*/c.csv") == [f"s3://{bucket}/samples/deep/c.csv"]
    assert files.match_files(f"s3://{bucket}/none/*.csv") == []


def test_csv_and_parquet_are_taken_once_from_a_bucket(bucket):
    flights = load_use_case("flights")
    for table in ("weather", "departures"):
        files.upload_folder(real_files() / table, f"{settings().landing}/flights/{table}", "*-02.*")
    found = landing.discover_files(flights)
    assert {file.path.rpartition(".")[2] for file in found} == {"csv", "parquet"}
    first = ingest_landed(flights)
    assert [verdict.status for verdict in first.verdicts] == ["accepted"] * len(found)
    rows = {table: rows_of(flights, f"raw/{table}") for table in ("weather", "departures")}
    assert {table: frame.height for table, frame in rows.items()} == {
        verdict.file.table: verdict.accepted for verdict in first.verdicts
    }
    assert first.docs.startswith(f"s3://{bucket}/reports/flights/data_docs/")
    assert b"<html" in files.read_file(first.docs)
    again = f"{settings().landing}/flights/weather/again.csv"
    files.write_file(again, files.read_file(f"{settings().landing}/flights/{found[-1].path}"))
    assert [verdict.status for verdict in ingest_landed(flights).verdicts] == ["duplicate"]
    assert rows_of(flights, "raw/weather").equals(rows["weather"])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_sample_in_a_bucket_is_the_one_on_a_disk(bucket, tmp_path, suffix):
    rows = pl.DataFrame({"order": ["a", "b"], "placed": [NEW_YEAR, NEW_YEAR], "price": [1.5, None]})
    for name in ("one", "two"):
        path = tmp_path / f"{name}.{suffix}"
        rows.write_csv(path) if suffix == "csv" else rows.write_parquet(path)
    files.upload_folder(tmp_path, f"s3://{bucket}/samples")
    here = read_sample("orders", f"{tmp_path}/*.{suffix}")
    there = read_sample("orders", f"s3://{bucket}/samples/*.{suffix}")
    assert there.rows.equals(here.rows)
    assert (there.columns, there.suffix, there.largest_file_rows) == (here.columns, suffix, 2)
    with pytest.raises(BadConfig, match="no such file"):
        read_sample("orders", f"s3://{bucket}/none/*.{suffix}")
    with pytest.raises(BadConfig, match="bucket nobody-made-it not found"):
        read_sample("orders", f"s3://nobody-made-it/*.{suffix}")


def test_commands_say_what_is_wrong_without_a_traceback(bucket, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    forget()
    for words, place in ((["check", "flights"], "lake"), (["up"], "landing")):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 1
        assert f"MAINSPRING_{place.upper()}=s3://{bucket}/{place}: http" in result.output
        assert "denies access; check AWS_ACCESS_KEY_ID" in result.output
        assert "Traceback" not in result.output


def dead() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


WRONG = {
    "secret": ({"AWS_SECRET_ACCESS_KEY": "wrong"}, BadConfig, "denies access"),
    "key": ({"AWS_ACCESS_KEY_ID": "nobody"}, BadConfig, "AWS_ACCESS_KEY_ID"),
    "no server": ({"AWS_ENDPOINT_URL": dead()}, Transient, "check AWS_ENDPOINT_URL"),
    "no region": (
        {"AWS_REGION": "", "AWS_DEFAULT_REGION": ""}, BadConfig, "AWS_REGION is not set",
    ),
    "no address": ({"AWS_ENDPOINT_URL": "s3.example.com"}, BadConfig, "https://s3.example.com"),
    "in the clear": (
        {"AWS_ENDPOINT_URL": "http://s3.example.com"}, BadConfig, "AWS_ALLOW_HTTP=true",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_said_with_its_setting_and_soon(bucket, monkeypatch, wrong):
    change, kind, words = WRONG[wrong]
    for variable, value in change.items():
        monkeypatch.setenv(variable, value)
    refused_everywhere(kind, words, "MAINSPRING_LAKE" if "denies" in words else words)


def test_a_missing_bucket_is_said_with_its_setting(bucket, monkeypatch):
    for name, value in S3("").places("nobody-made-it").items():
        monkeypatch.setenv(name, value)
    refused_everywhere(BadConfig, "bucket nobody-made-it not found", "MAINSPRING_LAKE=s3://nob")


def refused_everywhere(kind: type[MainspringError], words: str, of_lake: str) -> None:
    forget()
    places, lake = settings(), open_lake("flights")
    for action in (
        lambda: lake.exists("t"),
        lambda: lake.append_once("t", {"one": days(0, 1)}),
        lambda: files.list_files(f"{places.landing}/flights"),
        lambda: files.write_file(f"{places.reports}/it.html", b"1"),
        check_s3_addresses,
    ):
        began = time.monotonic()
        with pytest.raises(kind, match=words):
            action()
        assert time.monotonic() - began < 30
    with pytest.raises(kind, match=of_lake):
        lake.version("t")


def test_the_places_are_tried_and_marked(bucket, s3_server):
    check_s3_addresses()
    check_s3_addresses()
    marked = {f"{place}/{MARKER}" for place in ("lake", "reports", "artifacts")}
    assert set(s3_server.keys(bucket)) == marked


class Overwrites(BaseHTTPRequestHandler):
    """A server that knows nothing of conditional puts."""

    def do_PUT(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<ListBucketResult></ListBucketResult>")

    def log_message(self, *_):
        pass


def test_a_server_that_overwrites_is_refused(bucket, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Overwrites) as careless:
        Thread(target=careless.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{careless.server_port}")
        try:
            with pytest.raises(BadConfig, match=r"MAINSPRING_LAKE=s3.*If-None-Match"):
                check_s3_addresses()
        finally:
            careless.shutdown()
