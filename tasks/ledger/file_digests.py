"""Digests of a version's files: the identity of a version in the ledger."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FileDigests(BaseModel):
    """The sha256 of each file of a version; an older entry has only that of the ONNX file."""

    model_config = ConfigDict(frozen=True)

    onnx: str = Field(description="sha256 of model.onnx")
    card: str | None = Field(None, description="sha256 of card.json")
    golden: str | None = Field(None, description="sha256 of golden.parquet")

    def find_difference(self, actual: FileDigests) -> str | None:
        """Return the field in which other digests differ; None if all that are here are equal."""
        recorded = self.model_dump(exclude_none=True)
        return next((name for name in recorded if recorded[name] != getattr(actual, name)), None)

    def complete(self, other: FileDigests) -> FileDigests:
        """Return these digests with missing ones taken from another entry of the same ONNX file."""
        if other.onnx != self.onnx:
            return self
        return FileDigests.model_validate(other.model_dump() | self.model_dump(exclude_none=True))
