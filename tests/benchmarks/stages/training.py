"""A retraining: the labelled rows of a year, every candidate, ONNX, its proofs, the card."""

from __future__ import annotations

from configs.schema.loading import load_use_case
from tests.benchmarks import years
from tests.benchmarks.work import Answer, Work


def ours(_: int) -> Work:
    """What the train flow does up to the files of a candidate, as of the end of the real year."""
    from tasks.replay.shared_training import train_files

    use_case = load_use_case(years.NAME)

    def work() -> Answer:
        card = train_files(use_case, years.END).artifact.card
        return Answer(sum(card.rows.values()), card.holdout["roc_auc"])

    return work
