"""Notification blocks of the Prefect server."""

from __future__ import annotations

import asyncio
from inspect import iscoroutine

from configs.errors import BadConfig


def send_notification(block: str, subject: str, body: str) -> None:
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
