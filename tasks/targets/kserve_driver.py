"""Driver of an InferenceService of KServe: its canary is the challenger.

KServe sends `canaryTrafficPercent` of the requests to the latest revision, and the others to the
revision that had them before. So the champion is rolled out alone before its challenger comes.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from configs.errors import BadConfig, Transient
from configs.schema.serving import KServeTarget
from tasks.storage import files
from tasks.targets.folder_driver import MakeBundle, write_bundle_files
from tasks.targets.wanted_versions import WantedVersion

_GROUP = "serving.kserve.io/v1beta1"
_CHAMPION = "mainspring/champion"
_SERVE = "cd /mnt/models && exec uvicorn server:app --host 0.0.0.0 --port 8080 --no-access-log"


def follow_with_kserve(
    use_case: str, target: KServeTarget, wanted: Sequence[WantedVersion], make_bundle: MakeBundle
) -> bool:
    """Bring an InferenceService to the wanted versions; return whether it changed. Idempotent.

    Args:
        use_case: part of the addresses of bundles.
        target: the InferenceService.
        wanted: versions and shares, the champion first.
        make_bundle: returns the files of a version's bundle.

    Raises:
        Transient: the API does not respond, or the champion's revision is not ready for a canary.
        BadConfig: the API refuses the service.
    """
    champion, *challengers = wanted
    addresses = {each: _name_bundle(use_case, target, each) for each in wanted}
    service = _describe_service(target, addresses[champion], champion, None)
    with _open_client(target) as client:
        current = _read_service(client, target)
        if challengers and not _serves_champion(current, champion):
            _apply(client, target, service, addresses[champion], champion, make_bundle)
            current = _read_service(client, target)
        if challengers:
            [challenger] = challengers
            _require_rolled_out(target, current, champion)
            service = _describe_service(target, addresses[challenger], champion, challenger)
        if _is_as_wanted(current, service):
            return False
        latest = challengers[0] if challengers else champion
        _apply(client, target, service, addresses[latest], latest, make_bundle)
    return True


def _name_bundle(use_case: str, target: KServeTarget, wanted: WantedVersion) -> str:
    return f"{target.bundles.rstrip('/')}/{use_case}/{wanted.version}-{wanted.digest[:12]}"


def _describe_service(
    target: KServeTarget, bundle: str, champion: WantedVersion, challenger: WantedVersion | None
) -> dict[str, Any]:
    """Return the manifest whose latest revision serves a bundle.

    Args:
        target: the InferenceService.
        bundle: address of the latest revision's bundle.
        champion: the version that gets the other requests.
        challenger: the version of the bundle, if it is a canary.
    """
    limits = {"cpu": "1", "memory": "1Gi"}
    container = {
        "name": "kserve-container",
        "image": target.image,
        "command": ["sh", "-c", _SERVE],
        "env": [{"name": "STORAGE_URI", "value": bundle}],  # KServe loads it into /mnt/models
        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ping", "port": 8080}},
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    predictor: dict[str, Any] = {
        "minReplicas": 1,
        "serviceAccountName": target.account,
        "containers": [container],
    }
    if challenger is not None:
        predictor["canaryTrafficPercent"] = round(challenger.share * 100)
    return {
        "apiVersion": _GROUP,
        "kind": "InferenceService",
        "metadata": {
            "name": target.service,
            "namespace": target.namespace,
            "annotations": {_CHAMPION: f"{champion.version}-{champion.digest[:12]}"},
        },
        "spec": {"predictor": predictor},
    }


def _serves_champion(current: Mapping[str, Any] | None, champion: WantedVersion) -> bool:
    """Return whether the service was rolled out with this champion."""
    if current is None:
        return False
    annotations = current["metadata"].get("annotations", {})
    return bool(annotations.get(_CHAMPION) == f"{champion.version}-{champion.digest[:12]}")


def _require_rolled_out(
    target: KServeTarget, current: Mapping[str, Any] | None, champion: WantedVersion
) -> None:
    """Raise Transient while the champion's revision, without a canary, is not ready."""
    if current is None or "canaryTrafficPercent" in current["spec"]["predictor"]:
        return
    status = current.get("status", {})
    ready = [c["status"] for c in status.get("conditions", ()) if c["type"] == "Ready"] == ["True"]
    if not ready or status.get("observedGeneration") != current["metadata"].get("generation"):
        raise Transient(
            f"InferenceService {target.service}: version {champion.version} is not ready yet; "
            "its challenger follows in a later run"
        )


def _is_as_wanted(current: Mapping[str, Any] | None, service: Mapping[str, Any]) -> bool:
    """Return whether a service has all that is wanted; the API adds defaults of its own."""
    if current is None:
        return False
    canary = [each["spec"]["predictor"].get("canaryTrafficPercent") for each in (current, service)]
    return canary[0] == canary[1] and _contains(current, service)


def _contains(whole: Any, part: Any) -> bool:  # noqa: ANN401
    if isinstance(part, Mapping):
        return isinstance(whole, Mapping) and all(
            name in whole and _contains(whole[name], value) for name, value in part.items()
        )
    if isinstance(part, list):
        return (
            isinstance(whole, list) and len(whole) == len(part) and all(map(_contains, whole, part))
        )
    return bool(whole == part)


def _apply(
    client: httpx.Client,
    target: KServeTarget,
    service: Mapping[str, Any],
    bundle: str,
    wanted: WantedVersion,
    make_bundle: MakeBundle,
) -> None:
    """Apply the manifest, once the bundle of its latest revision is written.

    Args:
        client: of the API.
        target: the InferenceService.
        service: the manifest.
        bundle: address of the bundle.
        wanted: version of the bundle.
        make_bundle: returns the files of a version's bundle.
    """
    if not files.file_exists(f"{bundle}/card.json"):
        write_bundle_files(bundle, make_bundle(wanted))
    # server-side apply creates and changes alike, and removes fields that are no longer set
    _call(
        client, "PATCH", target, params={"fieldManager": "mainspring", "force": "true"},
        headers={"content-type": "application/apply-patch+yaml"}, content=json.dumps(service),
    )  # fmt: skip


def _read_service(client: httpx.Client, target: KServeTarget) -> dict[str, Any] | None:
    return _call(client, "GET", target)


def _call(
    client: httpx.Client,
    method: str,
    target: KServeTarget,
    **options: Any,  # noqa: ANN401
) -> dict[str, Any] | None:
    """Return the service that the API responds with; None if there is none."""
    path = f"/apis/{_GROUP}/namespaces/{target.namespace}/inferenceservices/{target.service}"
    try:
        response = client.request(method, path, **options)
    except httpx.TransportError as error:
        raise Transient(f"Kubernetes API at {target.url} does not respond: {error}") from error
    if response.status_code == httpx.codes.NOT_FOUND and method == "GET":
        return None
    if response.is_error:
        failure = BadConfig if response.status_code in (400, 403, 404, 422) else Transient
        raise failure(
            f"InferenceService {target.service}: the Kubernetes API refuses {method}: "
            f"{response.status_code} {response.text[:300]}. Check the target in the YAML"
        )
    service: dict[str, Any] = response.json()
    return service


def _open_client(target: KServeTarget) -> httpx.Client:
    headers = {}
    if target.token is not None:
        headers["authorization"] = f"Bearer {Path(target.token).read_text().strip()}"
    verify = ssl.create_default_context(cafile=target.authority) if target.authority else True
    return httpx.Client(base_url=target.url, headers=headers, verify=verify, timeout=30)
