"""Alerts of Alertmanager as episodes of the ledger: one for each alert, closed when it is over.

The body of the webhook is foreign text. An alert that cannot be recorded is named in the result and
stops no other one. The same alert may arrive any number of times: an open episode of its
fingerprint stays as it is, and the key of an episode has the start of the alert.

Such an episode notifies by its severity. It requests no retraining, and it blocks none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal

import msgspec

from configs.clock import YEAR, check_moment
from configs.errors import BadConfig
from configs.schema.base import Severity
from tasks.ledger.causes import PROMETHEUS_KIND, join_cause
from tasks.ledger.entries import make_episode_closed, make_episode_opened
from tasks.ledger.evidence import EpisodeOpened, read_evidence
from tasks.ledger.log import Entry, Ledger
from tasks.ledger.state import LedgerState, read_ledger_state

ALERTMANAGER_ACTOR = "alertmanager"
LONGEST_FIRING = YEAR
_SEVERITIES: dict[str, Severity] = {
    "page": "page", "critical": "page", "ticket": "ticket", "warning": "ticket",
    "inform": "inform", "info": "inform", "none": "inform",
}  # fmt: skip
_LONGEST_NAME, _LONGEST_MESSAGE, _LONGEST_SHOWN = 100, 500, 60
_Text = Annotated[str, msgspec.Meta(max_length=10_000)]


class WebhookAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a webhook message, as Alertmanager writes it."""

    status: Literal["firing", "resolved"]
    labels: dict[_Text, _Text]
    fingerprint: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-zA-Z]{1,64}$")]
    starts_at: datetime
    annotations: dict[_Text, _Text] = {}
    ends_at: datetime | None = None

    @property
    def name(self) -> str:
        """The name of the rule."""
        return _clean(self.labels.get("alertname", ""))[:_LONGEST_NAME] or "alert"

    @property
    def cause(self) -> str:
        """The cause of its episode: rule and fingerprint, for alerts of one rule are several."""
        return join_cause(PROMETHEUS_KIND, f"{self.name}/{self.fingerprint}")

    @property
    def message(self) -> str:
        """What the rule says of it, in one line."""
        texts = (self.annotations.get(each, "") for each in ("summary", "description", "message"))
        text = next(filter(None, map(_clean, texts)), self.name)
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]} …"

    @property
    def severity(self) -> Severity:
        """The severity of its label; an unknown one pages, so that it is not overlooked."""
        return _SEVERITIES.get(self.labels.get("severity", "").lower(), "page")


class _WebhookMessage(msgspec.Struct, frozen=True):
    alerts: list[msgspec.Raw]


@dataclass
class AlertOutcomes:
    """What became of the alerts of one message.

    Attributes:
        recorded: new entries, in order.
        known: number of alerts that changed nothing.
        refused: why an alert could not be recorded, with what to do.
    """

    recorded: list[Entry] = field(default_factory=list)
    known: int = 0
    refused: list[str] = field(default_factory=list)


def record_alerts(
    book: Ledger, message: bytes, use_cases: Collection[str], now: datetime
) -> AlertOutcomes:
    """Record the alerts of a webhook message as episodes; idempotent.

    Args:
        book: the ledger.
        message: body of the request.
        use_cases: names that the label `use_case` may have.
        now: time of the receipt.

    Raises:
        BadConfig: the message is not one of Alertmanager's.
    """
    try:
        raw_alerts = msgspec.json.decode(message, type=_WebhookMessage).alerts
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadConfig(
            f"the message of the webhook is invalid: {error}; send Alertmanager's version 4"
        ) from error
    outcomes = AlertOutcomes()
    for place, raw in enumerate(raw_alerts):
        try:
            alert = msgspec.json.decode(raw, type=WebhookAlert)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            outcomes.refused.append(f"alerts[{place}] is invalid: {error}")
            continue
        name = alert.labels.get("use_case", "")
        if name not in use_cases:
            outcomes.refused.append(
                f"alerts[{place}] ({alert.name}): label `use_case` is "
                f"{name[:_LONGEST_SHOWN]!r}, which is no use case; route only alerts with one"
            )
            continue
        _record_alert(book, name, alert, now, outcomes)
    return outcomes


def _record_alert(
    book: Ledger, use_case: str, alert: WebhookAlert, now: datetime, outcomes: AlertOutcomes
) -> None:
    entry = find_alert_change(use_case, read_ledger_state(book, use_case), alert, now)
    recorded, is_new = (None, False) if entry is None else book.record(entry)
    if recorded is not None and is_new:
        outcomes.recorded.append(recorded)
    else:
        outcomes.known += 1


def find_alert_change(
    use_case: str, ledger: LedgerState, alert: WebhookAlert, now: datetime
) -> Entry | None:
    """Return the entry that opens or closes the episode of an alert; None if nothing changes.

    Args:
        use_case: the use case of the alert.
        ledger: the state of its ledger.
        alert: the alert.
        now: time of the receipt; no entry is later.
    """
    opened = {read_evidence(each, EpisodeOpened).cause: each for each in ledger.open_episodes}
    episode = opened.get(alert.cause)
    if alert.status == "firing" and episode is None:
        return _open_alert_episode(use_case, ledger.champion_version, alert, now)
    if alert.status == "resolved" and episode is not None:
        ended = _read_moment(alert.ends_at, now)
        return make_episode_closed(
            episode, "the alert is over", max(ended, episode.at), ALERTMANAGER_ACTOR
        )
    return None


def _open_alert_episode(
    use_case: str, version: int | None, alert: WebhookAlert, now: datetime
) -> Entry:
    evidence = EpisodeOpened(
        cause=alert.cause,
        kind=PROMETHEUS_KIND,
        severity=alert.severity,
        message=f"{alert.name}: {alert.message}" if alert.message != alert.name else alert.name,
    )
    started = _read_moment(alert.starts_at, now)
    if started < now - LONGEST_FIRING:  # the clock of Prometheus is wrong
        started = now
    return make_episode_opened(use_case, version, started, ALERTMANAGER_ACTOR, evidence)


def _read_moment(moment: datetime | None, now: datetime) -> datetime:
    """Return a moment of an alert; now instead of none, of a later one, and of an absurd one."""
    try:
        return now if moment is None else min(check_moment(moment), now)
    except ValueError:
        return now


def _clean(text: str) -> str:
    """Return a text on one line, without characters that a terminal acts on."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
