"""Targets follow the ledger: each is brought to the wanted versions, and fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from configs.errors import MainspringError
from configs.schema.serving import FolderTarget, KServeTarget, SageMakerTarget, Target
from configs.schema.use_case import UseCase
from tasks.ledger.causes import TARGET_KIND, join_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry
from tasks.ledger.state import LedgerState
from tasks.models.registry import open_model
from tasks.targets.bundle import build_bundle
from tasks.targets.folder_driver import follow_with_folder
from tasks.targets.kserve_driver import follow_with_kserve
from tasks.targets.sagemaker_driver import follow_with_sagemaker
from tasks.targets.torchserve_driver import follow_with_torchserve
from tasks.targets.wanted_versions import WantedVersion

FOLLOW_ACTOR = "follow"


@dataclass(frozen=True)
class TargetOutcome:
    """What became of a target; `problem` says why it does not follow, or is empty."""

    name: str
    changed: bool = False
    problem: str = ""

    def __str__(self) -> str:
        """Return the outcome in words."""
        state = self.problem or ("changed" if self.changed else "as wanted")
        return f"{self.name}: {state}"


def follow_target(use_case: UseCase, name: str, wanted: Sequence[WantedVersion]) -> TargetOutcome:
    """Bring one target to the wanted versions. Idempotent; a failure is in the outcome."""
    try:
        return TargetOutcome(name, _drive(use_case, use_case.targets[name], wanted))
    except MainspringError as error:
        return TargetOutcome(name, problem=str(error))
    # the clients of other systems have error types of their own; none may stop another target
    except Exception as error:  # noqa: BLE001
        return TargetOutcome(name, problem=f"{type(error).__name__}: {error}")


def find_target_changes(
    model: str, ledger: LedgerState, outcomes: Sequence[TargetOutcome], as_of: datetime
) -> list[Entry]:
    """Return the entries that open an episode for a failing target, or close its episode.

    Args:
        model: name of the use case.
        ledger: the state of the ledger.
        outcomes: of all targets.
        as_of: time of the attempt.
    """
    past = ledger.at(as_of)
    open_by_cause = {read_evidence(e, EpisodeOpened).cause: e for e in past.open_episodes}
    entries = []
    for outcome in outcomes:
        cause = join_cause(TARGET_KIND, outcome.name)
        episode = open_by_cause.get(cause)
        if outcome.problem and episode is None:
            evidence = EpisodeOpened(
                cause=cause,
                kind=TARGET_KIND,
                severity="page",
                message=f"target {outcome.name} does not serve the ledger's versions: "
                f"{outcome.problem}. It is tried again at each run of follow",
            )
            entries.append(
                make_episode_opened(model, past.champion_version, as_of, FOLLOW_ACTOR, evidence)
            )
        if episode is not None and not outcome.problem:
            reason = f"target {outcome.name} follows the ledger again"
            entries.append(make_episode_closed(episode, reason, as_of, FOLLOW_ACTOR))
    return entries


def _drive(use_case: UseCase, target: Target, wanted: Sequence[WantedVersion]) -> bool:
    bundle_for = target.bundle_for if isinstance(target, FolderTarget) else target.kind

    def make_bundle(each: WantedVersion) -> dict[str, bytes]:
        return build_bundle(use_case, open_model(use_case.name, each.version), bundle_for)

    if isinstance(target, FolderTarget):
        return follow_with_folder(use_case.name, target, wanted, make_bundle)
    if isinstance(target, KServeTarget):
        return follow_with_kserve(use_case.name, target, wanted, make_bundle)
    if isinstance(target, SageMakerTarget):
        return follow_with_sagemaker(use_case.name, target, wanted, make_bundle)
    return follow_with_torchserve(use_case.name, target, wanted, make_bundle)
