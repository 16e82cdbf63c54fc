"""What libraries are told of S3, and what their errors mean; tests/integration/test_s3.py asks a
real server.
"""

from errno import EACCES, ENOSPC, EROFS

import pytest

from configs.errors import BadConfig, CannotWrite, Conflict, MainspringError, Transient
from configs.settings import settings
from infra.storage.errors import explain_s3_error, storage_errors
from infra.storage.s3 import delta_options, polars_options, s3_server

LAKE = "s3://bucket/lake/flights/raw/x"


@pytest.fixture(autouse=True)
def somewhere(home, monkeypatch):
    monkeypatch.setenv("MAINSPRING_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    for name in ("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()


def test_a_path_needs_no_options_and_amazon_no_endpoint():
    assert delta_options("/lake") is None
    assert polars_options("/lake") is None
    for options in (delta_options(LAKE), polars_options(LAKE)):
        assert (options["aws_region"], options["aws_allow_http"]) == ("eu-central-1", "false")
        assert "aws_endpoint_url" not in options


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "http://localhost:9000/", "http://[::1]"])
def test_unencrypted_is_for_this_machine(monkeypatch, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    assert s3_server().plain
    assert delta_options(LAKE)["aws_endpoint_url"] == url.rstrip("/")


def test_unencrypted_elsewhere_is_for_who_says_so(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    with pytest.raises(BadConfig, match="unencrypted"):
        s3_server()
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    assert s3_server().plain


@pytest.mark.parametrize(
    ("message", "kind", "words"),
    [
        ("404 <Code>NoSuchBucket</Code>", BadConfig, "bucket bucket not found at s3.eu-central-1"),
        ("AWS Error ACCESS_DENIED during HeadObject", BadConfig, "denies access"),
        ("Unable to locate credentials", BadConfig, "no AWS credentials found"),
        ("PermanentRedirect", BadConfig, "not in AWS_REGION=eu-central-1"),
        ("returned 503 Service Unavailable", Transient, "does not respond"),
    ],
)
def test_storage_errors_name_the_setting_also_for_a_cause(message, kind, words):
    error = RuntimeError("it did not work")
    error.__cause__ = OSError(message)
    with (
        pytest.raises(kind, match=f"^MAINSPRING_LAKE=s3://bucket/lake: .*{words}"),
        storage_errors(LAKE),
    ):
        raise error


@pytest.mark.parametrize("address", ["/lake/x", LAKE])
@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(ENOSPC, "No space left on device"), "is full"),
        (OSError(EROFS, "Read-only file system"), "is read-only"),
        (PermissionError(EACCES, "Permission denied"), "is read-only"),
        (RuntimeError("(sqlite3.OperationalError) attempt to write a readonly database"), "only"),
        (RuntimeError("Generic LocalFileSystem error: No space left on device"), "is full"),
    ],
)
def test_storage_errors_name_the_full_or_read_only_place(address, error, words):
    with pytest.raises(CannotWrite, match=f"^{address} .*{words}"), storage_errors(address):
        raise RuntimeError from error
    with pytest.raises(CannotWrite, match="both is"), storage_errors(address, disk="both"):
        raise error


def test_storage_errors_pass_all_others_unchanged():
    assert explain_s3_error(OSError("version 503 of the table is gone"), LAKE) is None
    for address, error in (
        (LAKE, ValueError("no")),
        (LAKE, Conflict("403 Forbidden")),
        ("/lake", OSError("NoSuchBucket")),
    ):
        with pytest.raises(type(error), match=str(error)), storage_errors(address):
            raise error
    assert isinstance(explain_s3_error(OSError("NoSuchBucket"), "s3://other/x"), MainspringError)
    assert str(explain_s3_error(OSError("NoSuchBucket"), "s3://other/x")).startswith(
        "s3://other/x: "
    )
