"""Driver of a folder or S3 prefix: bundles of versions, and `current.json` that names them.

A reader opens `current.json` and then the bundle at its `path`. A bundle is complete before
`current.json` names it, and is never changed afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from configs.schema.serving import FolderTarget
from tasks.storage import files
from tasks.targets.wanted_versions import WantedVersion

CURRENT_FILE = "current.json"
MakeBundle = Callable[[WantedVersion], Mapping[str, bytes]]


def follow_with_folder(
    use_case: str, target: FolderTarget, wanted: Sequence[WantedVersion], make_bundle: MakeBundle
) -> bool:
    """Bring a folder to the wanted versions; return whether anything changed. Idempotent.

    Args:
        use_case: name of the folder's part.
        target: where the folder is.
        wanted: versions and shares.
        make_bundle: returns the files of a version's bundle.
    """
    root = f"{target.address.rstrip('/')}/{use_case}"
    paths = {each: f"versions/{each.version}-{each.digest[:12]}" for each in wanted}
    versions = [asdict(each) | {"path": paths[each]} for each in wanted]
    content = json.dumps({"use_case": use_case, "versions": versions}, indent=1).encode()
    if _read_current(root) == content:
        return False
    for each, path in paths.items():
        if not files.file_exists(f"{root}/{path}/card.json"):
            write_bundle_files(f"{root}/{path}", make_bundle(each))
    files.write_file(f"{root}/{CURRENT_FILE}", content)
    return True


def _read_current(root: str) -> bytes | None:
    address = f"{root}/{CURRENT_FILE}"
    return files.read_file(address) if files.file_exists(address) else None


def write_bundle_files(address: str, bundle: Mapping[str, bytes]) -> None:
    """Write the files of a bundle; the card comes last and says that it is complete."""
    for name in sorted(bundle, key=lambda name: name == "card.json"):
        files.write_file(f"{address}/{name}", bundle[name])
