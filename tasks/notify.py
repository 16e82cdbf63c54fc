"""Who is told what: the ledger's entries, through Prefect's notification blocks.

What is due is a fold over the ledger: an entry of a severity that a block wants, which no
`notified` entry says was sent to it. That one is written after the message went out, so a message
comes once, and again only if a run is killed between the two or another sends at the same time. A
block that fails is left for the next run: its messages stay due, and come in order.

Nobody is flooded: a block that is new, or wants more severities than before, is told of the
episodes that are still open and of the last three days (of the ledger's real time), which a webhook
that was broken over a weekend needs too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from inspect import iscoroutine

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from configs.errors import BadConfig
from configs.part import Severity
from configs.policy import Notify
from configs.use_case import UseCase
from tasks.episodes import severity_of
from tasks.ledger import Entry, Ledger, What, ledger, open_episodes
from tasks.story import happened, summary

ACTOR = "notify"
KEPT = timedelta(days=3)
_SEVERITIES: Mapping[What, Severity] = {
    "rollback_asked": "page",
    "rolled_back": "page",
    "approval_asked": "ticket",
    "rollout_started": "inform",
    "promoted": "inform",
    "refused": "inform",
}

Send = Callable[[str, str, str], None]


def severity(entry: Entry) -> Severity | None:
    """How bad it is that an entry tells of; None if it is for nobody."""
    if entry.what in ("episode_opened", "episode_closed"):
        return severity_of(entry)
    return _SEVERITIES.get(entry.what)


def due(entries: Sequence[Entry], wanted: Sequence[Notify]) -> list[tuple[str, Entry]]:
    """What is still to be sent: the block, and the entry it is about, oldest first."""
    told = {entry.key for entry in entries}
    found = {
        (each.block, entry.key): (each.block, entry)
        for entry in _recent(entries)
        for each in wanted
        if severity(entry) in each.severities and _key(each.block, entry) not in told
    }
    return list(found.values())


def message(use_case: UseCase, entry: Entry) -> tuple[str, str]:
    """Subject and body: which model, what, on which evidence, and how to look further."""
    cause = entry.evidence.get("cause")
    what = f"{happened(entry)}: {cause}" if cause else happened(entry)
    lines = [
        f"{use_case.name}: {use_case.title}",
        f"{what}, at {entry.at:%Y-%m-%d %H:%M} UTC, by {entry.actor}",
        summary(entry),
        f"Look further: mainspring history {use_case.name}",
    ]
    if entry.what == "approval_asked":
        lines.append(f"Answer: mainspring approve (or reject) {use_case.name} {entry.version}")
    return f"[{severity(entry)}] {use_case.name}: {what}", "\n".join(lines)


def send(block: str, subject: str, body: str) -> None:
    """Send through a block of Prefect's server; raises whatever is in the way.

    BadConfig if the block is not one that notifies, ValueError if there is none.
    """
    from prefect.blocks import notifications  # noqa: F401 - makes its types known
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block

    loaded: object = Block.load(block)
    if not isinstance(loaded, NotificationBlock):
        raise BadConfig(f"notify: {block} is a {type(loaded).__name__}, which sends nothing")
    with loaded.raise_on_failure():  # or most blocks only log that they failed
        sent: object = loaded.notify(body, subject)
        if iscoroutine(sent):  # Prefect's own blocks are done by now, others may not be
            asyncio.run(sent)


def tell(
    book: Ledger, use_case: UseCase, send: Send = send
) -> tuple[list[Entry], dict[str, Exception]]:
    """Send all that is due and record it; the new entries, and what was in the way of a block."""
    told: list[Entry] = []
    broken: dict[str, Exception] = {}
    for block, entry in due(book.entries(use_case.name), use_case.notify):
        if block in broken:
            continue
        try:
            send(block, *message(use_case, entry))
        except Exception as error:  # noqa: BLE001 - any webhook's trouble; what runs here goes on
            broken[block] = error
        else:
            told.append(book.record(_notified(block, entry))[0])
    return told, broken


def _recent(entries: Sequence[Entry]) -> list[Entry]:
    lasting = {entry.key for entry in open_episodes(entries)}
    written = [(e, e.recorded) for e in entries if e.recorded is not None]
    newest = max((recorded for _, recorded in written), default=None)
    return [
        entry
        for entry, recorded in written
        if entry.key in lasting or (newest is not None and newest - recorded <= KEPT)
    ]


def _key(block: str, entry: Entry) -> str:
    return f"notified:{block}:{entry.key}"


def _notified(block: str, entry: Entry) -> Entry:
    evidence = {"block": block, "entry": entry.key, "severity": severity(entry)}
    key = _key(block, entry)
    return Entry(entry.model, "notified", key, entry.at, ACTOR, entry.version, evidence)


@task(task_run_name="notify", cache_policy=NO_CACHE)
def notify(use_case: UseCase) -> list[Entry]:
    """As `tell`, seen by Prefect; what was sent. A block's trouble is an error in the log only."""
    if not use_case.notify:
        return []
    told, broken = tell(ledger(), use_case)
    for entry in told:
        get_run_logger().info("%s was told of %s", entry.evidence["block"], entry.evidence["entry"])
    for block, error in broken.items():
        get_run_logger().error("%s was not told; the next run tries again", block, exc_info=error)
    return told
