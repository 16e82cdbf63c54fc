"""Archives of bundles, with equal bytes for equal files."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping


def pack_tar(bundle: Mapping[str, bytes]) -> bytes:
    """Return files as a .tar.gz file."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name in sorted(bundle):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(bundle[name]), 0o644
            archive.addfile(entry, io.BytesIO(bundle[name]))
    return gzip.compress(packed.getvalue(), mtime=0)


def pack_zip(bundle: Mapping[str, bytes]) -> bytes:
    """Return files as a .zip file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(bundle):
            archive.writestr(zipfile.ZipInfo(name), bundle[name], zipfile.ZIP_DEFLATED)
    return packed.getvalue()
