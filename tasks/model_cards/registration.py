"""Registration of a trained model in MLflow, with its summary and the text of its card."""

from __future__ import annotations

from tasks.model_cards.text import render_card, render_card_summary
from tasks.models.artifact import ModelArtifact
from tasks.models.registry import register_version


def register_candidate(artifact: ModelArtifact, origin: str) -> int:
    """Register a trained model with its summary and card text in MLflow; return its version."""
    card = artifact.card
    return register_version(
        artifact, origin, render_card_summary(card), {"card.md": render_card(card)}
    )
