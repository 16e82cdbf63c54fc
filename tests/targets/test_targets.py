"""Each target that runs here, for real: it predicts 1,000 nasty rows as the version does."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.support.environments import FOLDER, make_locked_environment
from tests.support.prefect_server import until
from tests.support.programs import accepts_connections, find, free_ports
from tests.support.target_rows import TargetRows
from tests.targets.servers import post_rows, running

pytestmark = pytest.mark.slow
MakeBundle = Callable[[str], Path]
Compare = Callable[[str, list[dict[str, Any]]], None]


def refuse_changed_model(
    folder: Path, command: Sequence[str], environment: Mapping[str, str], seconds: float = 60
) -> None:
    """A command whose model is cut short ends with an error that names the file."""
    model = folder / "model.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:-1])
    ended = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, timeout=seconds, check=False
    )
    assert b"model.onnx" in ended.stdout + ended.stderr
    model.write_bytes(whole)


def test_bentoml(make_bundle: MakeBundle, target_rows: TargetRows, compare: Compare) -> None:
    folder, environment = make_bundle("bentoml"), make_locked_environment("bentoml")
    environment["BENTOML_HOME"] = str(folder / "home")
    subprocess.run(["bentoml", "build"], cwd=folder, env=environment, check=True)
    [port] = free_ports(1)
    serve = ["bentoml", "serve", "flights:latest", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with running(serve, folder, environment, f"{address}/readyz"):
        compare(
            "BentoML",
            post_rows(f"{address}/predict", target_rows.rows).json()["predictions"],
        )
        refused = post_rows(f"{address}/predict", [{"distance": "x"}])
        assert refused.status_code == 400
        assert "$[0]" in refused.text


def test_azure_ml(make_bundle: MakeBundle, target_rows: TargetRows, compare: Compare) -> None:
    folder, environment = make_bundle("azureml"), make_locked_environment("azureml")
    [port] = free_ports(1)
    serve = ["azmlinfsrv", "--entry_script", "score.py", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with running(serve, folder, environment, address):
        compare(
            "Azure ML",
            post_rows(f"{address}/score", target_rows.rows).json()["predictions"],
        )
        refused = post_rows(f"{address}/score", [{"distance": "x"}])
        assert (refused.status_code, refused.json()["field"][:4]) == (400, "$[0]")


def test_lambda(make_bundle: MakeBundle, target_rows: TargetRows, compare: Compare) -> None:
    folder, environment = make_bundle("lambda"), make_locked_environment("lambda")
    [outside, inside] = free_ports(2)
    [emulator] = (Path(environment["PATH"].partition(":")[0]).parent).rglob("aws-lambda-rie-x86_64")
    program = shutil.copy(emulator, folder / "emulator")
    Path(program).chmod(0o755)
    runtime = [
        program, "--runtime-interface-emulator-address", f"127.0.0.1:{outside}",
        "--runtime-api-address", f"127.0.0.1:{inside}",
        "python", "-m", "awslambdaric", "app.handler",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{outside}/2015-03-31/functions/function/invocations"
    with running(runtime, folder, environment):
        until(lambda: accepts_connections(outside) or None, "emulator")
        compare("Lambda", post_rows(address, target_rows.rows).json()["predictions"])
        event = {"body": json.dumps({"instances": [{"distance": "x"}]})}
        assert httpx.post(address, json=event, timeout=60).json()["statusCode"] == 400


def test_node(make_bundle: MakeBundle, target_rows: TargetRows, compare: Compare) -> None:
    folder = make_bundle("onnxruntime")
    find("node", how="Debian's package nodejs")
    modules = install_node_packages()
    (folder / "node_modules").symlink_to(modules)
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"inputs": row}) + "\n" for row in target_rows.rows))
    found = subprocess.run(
        ["node", "score.mjs", "rows.jsonl"], cwd=folder, capture_output=True, text=True, check=True
    )
    compare("ONNX Runtime, Node.js", [json.loads(line) for line in found.stdout.splitlines()])


def install_node_packages() -> Path:
    """Install what package-lock.json of the environments names; return the folder of modules."""
    source = Path(__file__).parent / "environments" / "node"
    folder = FOLDER / "node"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder / name)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], cwd=folder, check=True
    )
    return folder / "node_modules"


def test_server_of_the_image(
    make_bundle: MakeBundle, target_rows: TargetRows, compare: Compare
) -> None:
    """The server as KServe, Vertex AI and SageMaker's own client ask it, without the image."""
    folder, [port] = make_bundle("docker"), free_ports(1)
    environment = make_locked_environment("server") | {
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1:predict"
    }
    serve = ["uvicorn", "server:app", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}"
    with running(serve, folder, environment, f"{address}/ping"):
        for path in ("/v1/models/flights:predict", "/v1/endpoints/1:predict"):
            compare(
                f"server {path}",
                post_rows(address + path, target_rows.rows).json()["predictions"],
            )
        assert httpx.get(f"{address}/v1/models/flights").json()["version"] == 7
        compare("server, boto3 sagemaker-runtime", invoke_endpoint(address, target_rows.rows))
        refused = post_rows(f"{address}/invocations", [{"distance": "x"}])
        assert (refused.status_code, refused.json()["field"][:4]) == (400, "$[0]")
        assert httpx.post(f"{address}/invocations", content=b"x" * 2**23 + b"x").status_code == 413
        assert httpx.get(f"{address}/nowhere").status_code == 404
    refuse_changed_model(folder, serve, environment)


def invoke_endpoint(address: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ask with the client of SageMaker."""
    client = boto3.client(
        "sagemaker-runtime", endpoint_url=address, region_name="eu-west-1",
        aws_access_key_id="none", aws_secret_access_key="none",
    )  # fmt: skip
    body = json.dumps({"instances": rows})
    found = client.invoke_endpoint(
        EndpointName="flights", Body=body, ContentType="application/json"
    )
    predictions: list[dict[str, Any]] = json.loads(found["Body"].read())["predictions"]
    return predictions
