"""Typed evidence of every kind of ledger entry, with defaults for fields of older entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from configs.schema.base import LabelKind, Severity
from tasks.evaluation.alarms.limits import RuleLimit
from tasks.evaluation.bootstrap import Difference
from tasks.evaluation.confidence_sequence import SequenceBounds
from tasks.evaluation.problem_types import Threshold
from tasks.ledger.causes import split_cause
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.json_values import Measured, OmitLater, Time, to_finite
from tasks.ledger.log import Entry, EntryKind

CheckVerdict = Literal["pass", "fail", "wait", "not asked"]


class Evidence(BaseModel):
    """The evidence of an entry; only fields that were given are written."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that were given, as they are stored."""
        fields = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {name: to_finite(value) for name, value in fields.items()}


AnyEvidence = TypeVar("AnyEvidence", bound=Evidence)


@dataclass(frozen=True)
class GateCheck:
    """One check of the gate in words; its numbers are fields of the evidence."""

    gate: str
    asked: str
    measured: str
    verdict: CheckVerdict


class Reason(Evidence):
    """Why something was done, in a sentence."""

    reason: str = ""


class GateEvidence(Evidence):
    """What a gate, a stage review or a bake window measured; absent where it does not apply."""

    challenger_version: int | None = None
    champion_version: int | None = None
    rows: int | None = None
    from_: Time | None = Field(None, alias="from")
    to: Time | None = None
    blocks: int | None = None
    rule: str | None = None
    margin: float | None = None
    confidence: float | None = None
    looks: int | None = Field(None, description="reviews that share one error rate")
    look_number: int | None = None
    differences: dict[str, Annotated[Difference, Measured, OmitLater]] = {}
    footprint: dict[str, int | float | None] = {}
    answered: int | None = Field(None, description="rows that both versions scored")
    cost: Annotated[dict[str, float], Measured] = Field({}, description="mean cost by arm")
    bounds: Annotated[SequenceBounds, Measured] | None = None
    bar: float | None = Field(None, description="improvement that the rule requires")
    entities: int | None = None
    planned_rows: int | None = None
    gates: list[GateCheck] = []
    doubts: list[str] = []


class StepEvidence(Reason, GateEvidence):
    """Why a step was taken, and what was measured for it."""


class PromotionTerms(Evidence):
    """The champion that a promotion replaces, the end of its bake window, and its files."""

    challenger_version: int | None = None
    champion_version: int | None = None
    bake_until: Time | None = None
    files: FileDigests | None = None


class RolloutPlan(Evidence):
    """A rollout as it starts: its kind, stages and times."""

    kind: str = ""
    champion_version: int | None = None
    shares: list[float] = []
    share: float | None = None
    stage: int = 0
    stages: int | None = None
    step_seconds: float = 0.0
    patience_seconds: float = 0.0
    unit: list[str] = []
    rows: int | None = Field(None, description="size at which an A/B test ends")


class RolloutStage(Evidence):
    """A stage of a rollout and its share of the entities."""

    stage: int = 0
    share: float | None = None


class EpisodeOpened(Evidence):
    """A cause that became bad, like performance:roc_auc_5w, and the numbers that show it."""

    cause: str = ""
    kind: str = ""
    severity: Severity = "page"  # entries without one are older than severities
    message: str = ""
    value: float | None = None
    reference: float | None = None
    threshold: float | None = None
    coverage: float | None = None
    rows: int | None = None
    since: Time | None = Field(None, description="last sign of life, of a late source")
    deadline: str | None = None

    @property
    def subject(self) -> str:
        """The cause without its kind."""
        return split_cause(self.cause)[1]


class EpisodeClosed(Reason):
    """The end of an episode."""

    episode: str = ""
    cause: str = ""
    severity: Severity = "page"


class AlertRaised(Evidence):
    """A request to retrain, for the oldest open episode."""

    episode: str = ""
    causes: list[str] = []
    message: str = ""


class RetrainStarted(Evidence):
    """The run that retrains for an alert."""

    alert: str = ""
    run: str = ""


class CandidateRegistered(Evidence):
    """A registered version that waits for its decision."""

    origin: str = Field("", description="key of the alert, or of the training run")
    algorithm: str = ""
    kind: LabelKind = "binary"  # entries without one are older than the other problem types
    digest: str | None = Field(None, description="sha256 of the ONNX file")
    files: FileDigests | None = None
    one_file: str | None = Field(None, description="sha256 of the one-file model")
    trained_until: Time | None = None
    rows: dict[str, int] = {}
    threshold: Threshold = None
    holdout: dict[str, float | None] = {}
    refit_of: int | None = Field(None, description="judged version whose place a refit takes")
    gates: list[GateCheck] = Field([], description="a refit held against the judged version")


class Deferred(StepEvidence):
    """A decision that needs more rows; `stage` is that of a rollout."""

    stage: int | None = None


class ApprovalAsked(StepEvidence):
    """A candidate that passed the gate and waits for a person's approval."""


class ApprovalGiven(Reason):
    """A person's approval or rejection."""


class RolloutStarted(StepEvidence, RolloutPlan):
    """A rollout that starts."""


class RolloutGrown(StepEvidence, RolloutStage):
    """A rollout that enters its next stage."""


class StepAsked(Reason):
    """A request for the next step of a candidate."""


class Promoted(StepEvidence, PromotionTerms):
    """A promotion; `digest` is that of a version promoted manually."""

    digest: str | None = None


class Refused(StepEvidence):
    """A refusal; `stage` is that of the rollout that failed."""

    stage: int | None = None


class RollbackAsked(StepEvidence):
    """A request to roll a promotion back, by its key."""

    promotion: str = ""
    episode: str | None = None


class RolledBack(RollbackAsked):
    """A rollback: the version that lost its place, and whether a person decided it."""

    loser: int | None = None
    by_hand: bool = False


class Recovered(Reason):
    """A champion that was lost, and the digests of the version that follows; None without one."""

    lost: int | None = None
    undone: list[str] = Field([], description="keys of the promotions that no longer stand")
    files: FileDigests | None = None


class RowsChanged(Reason):
    """Rows that a person released from quarantine, repaired out of raw, or erased."""

    table: str = ""
    rows: int = 0
    rule: str | None = Field(None, description="of a release, a repair; columns of an erased key")
    digest: str = Field("", description="sha256 of the rows; of an erased key")
    files: FileDigests | None = Field(None, description="of a version without its golden rows")


class Notified(Evidence):
    """A notification that was sent, about an entry by its key."""

    block: str = ""
    entry: str = ""
    severity: Severity | None = None


class SchemaMigrated(Reason):
    """Columns of a table that got other types, by name: the type before and after."""

    table: str = ""
    from_version: int | None = None
    columns: dict[str, tuple[str, str]] = {}


class LimitsRenewed(Reason):
    """Limits of rules from `days` judged days of a version, by subject."""

    days: int = 0
    limits: dict[str, RuleLimit] = {}


EVIDENCE: dict[EntryKind, type[Evidence]] = {
    "episode_opened": EpisodeOpened, "episode_closed": EpisodeClosed,
    "alert_raised": AlertRaised, "retrain_started": RetrainStarted,
    "candidate_registered": CandidateRegistered, "deferred": Deferred,
    "approval_asked": ApprovalAsked, "approved": ApprovalGiven, "rejected": ApprovalGiven,
    "refit_asked": StepEvidence, "refit_dropped": Reason,
    "rollout_started": RolloutStarted, "rollout_grown": RolloutGrown, "step_asked": StepAsked,
    "promoted": Promoted, "refused": Refused,
    "rollback_asked": RollbackAsked, "rolled_back": RolledBack,
    "schema_migrated": SchemaMigrated, "recovered": Recovered, "retired": Reason,
    "rows_released": RowsChanged, "rows_repaired": RowsChanged, "rows_erased": RowsChanged,
    "notified": Notified, "limits_renewed": LimitsRenewed,
}  # fmt: skip


def read_evidence(entry: Entry, kind: type[AnyEvidence]) -> AnyEvidence:
    """Return the evidence of an entry as its class or a base of it; TypeError for another one."""
    if not issubclass(EVIDENCE[entry.what], kind):
        raise TypeError(f"{entry.key} is `{entry.what}`, which has no evidence {kind.__name__}")
    return kind.model_validate(entry.evidence)


def merge_evidence(kind: type[AnyEvidence], *parts: Evidence) -> AnyEvidence:
    """Return one evidence of all fields of the parts; a later part replaces an earlier one's."""
    fields = {name: getattr(part, name) for part in parts for name in part.model_fields_set}
    return kind.model_validate(fields, by_name=True)
