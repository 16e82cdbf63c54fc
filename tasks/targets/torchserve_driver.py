"""Driver of a TorchServe: an archive a version, registered by the management API.

TorchServe splits no requests. The champion is its default version, and a challenger is served at
`/predictions/<use case>/<version>` for a proxy that splits by the shares of the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from configs.errors import BadConfig, Transient
from configs.schema.serving import TorchServeTarget
from tasks.storage import files
from tasks.targets.archives import pack_zip
from tasks.targets.folder_driver import MakeBundle
from tasks.targets.wanted_versions import WantedVersion

_START_SECONDS = 120.0


def follow_with_torchserve(
    use_case: str,
    target: TorchServeTarget,
    wanted: Sequence[WantedVersion],
    make_bundle: MakeBundle,
) -> bool:
    """Bring a TorchServe to the wanted versions; return whether anything changed. Idempotent.

    A version is registered before it becomes the default, and an old one is removed last. So
    requests without a version are predicted at every moment.

    Args:
        use_case: name of the model.
        target: the TorchServe.
        wanted: versions and shares; the first one is the champion.
        make_bundle: returns the files of a version's bundle.
    """
    with httpx.Client(base_url=target.url, timeout=_START_SECONDS) as client:
        registered = _list_versions(client, use_case)
        changed = False
        for each in wanted:
            archive = f"{use_case}-{each.version}-{each.digest[:12]}.mar"
            model = registered.pop(str(each.version), None)
            if model is None:
                _write_archive(target, archive, use_case, each, make_bundle)
                _register(client, target, archive)
            elif model["modelUrl"] != archive:
                raise BadConfig(
                    f"{target.url}: version {each.version} is served from {model['modelUrl']}, "
                    f"not from {archive}; unregister it there, and it is registered anew"
                )
            elif not _is_ready(model, target):
                _start_workers(client, target, f"/models/{use_case}/{each.version}")
            else:
                continue
            changed = True
        changed |= _set_default(client, use_case, wanted[0].version)
        for version in registered:
            _call(client, "DELETE", f"/models/{use_case}/{version}")
    return changed or bool(registered)


def _list_versions(client: httpx.Client, use_case: str) -> dict[str, dict[str, Any]]:
    """Return the registered versions, each with its state."""
    models = _call(client, "GET", f"/models/{use_case}/all", allowed=404)
    return {} if models is None else {model["modelVersion"]: model for model in models}


def _register(client: httpx.Client, target: TorchServeTarget, archive: str) -> None:
    """Register an archive; return when its workers are ready."""
    options = {"url": archive, "batch_size": 16, "max_batch_delay": 5}
    workers = {"initial_workers": target.workers, "synchronous": "true"}
    _call(client, "POST", "/models", params=options | workers, allowed=409)


def _start_workers(client: httpx.Client, target: TorchServeTarget, path: str) -> None:
    _call(client, "PUT", path, params={"min_worker": target.workers, "synchronous": "true"})


def _is_ready(model: Mapping[str, Any], target: TorchServeTarget) -> bool:
    ready = [worker for worker in model["workers"] if worker["status"] == "READY"]
    return len(ready) >= target.workers


def _set_default(client: httpx.Client, use_case: str, version: int) -> bool:
    """Make a version the default; return whether another one was."""
    [current] = _call(client, "GET", f"/models/{use_case}")
    if current["modelVersion"] == str(version):
        return False
    _call(client, "PUT", f"/models/{use_case}/{version}/set-default")
    return True


def _call(
    client: httpx.Client,
    method: str,
    path: str,
    *,
    params: Mapping[str, Any] | None = None,
    allowed: int = 0,
) -> Any:  # noqa: ANN401
    """Return the JSON of a response; None for the allowed status.

    Args:
        client: of the management API.
        method: of the request.
        path: of the request.
        params: of the query.
        allowed: a status that is no error.
    """
    try:
        response = client.request(method, path, params=params)
    except httpx.TransportError as error:
        raise Transient(f"TorchServe at {client.base_url} does not respond: {error}") from error
    if response.status_code == allowed:
        return None
    if response.is_error:
        raise Transient(
            f"TorchServe refused {method} {path}: {response.status_code} {response.text[:300]}"
        )
    return response.json()


def _write_archive(
    target: TorchServeTarget,
    archive: str,
    use_case: str,
    wanted: WantedVersion,
    make_bundle: MakeBundle,
) -> None:
    """Write the .mar file of a version into the model store."""
    manifest = {
        "runtime": "python",
        "model": {
            "modelName": use_case,
            "modelVersion": str(wanted.version),
            "handler": "handler.py",
            "serializedFile": "model.onnx",
        },
        "archiverVersion": "0.12.0",
    }
    content = json.dumps(manifest, indent=1).encode()
    packed = pack_zip({**make_bundle(wanted), "MAR-INF/MANIFEST.json": content})
    files.write_file(f"{target.store.rstrip('/')}/{archive}", packed)
