"""Notification blocks of the Prefect server."""

from __future__ import annotations

import asyncio
from inspect import iscoroutine

from configs.errors import BadConfig


def send_notification(block: str, subject: str, body: str) -> None:
    """Send a notification through a block of Prefect's server.

    Args:
        block: type and name of the block, like slack-webhook/ops.
        subject: the title.
        body: the text.

    Raises:
        BadConfig: the block cannot send notifications.
        ValueError: the block does not exist.
    """
    from prefect.blocks import notifications  # noqa: F401 - registers the block types
    from prefect.blocks.abstract import NotificationBlock
    from prefect.blocks.core import Block

    loaded: object = Block.load(block)
    if not isinstance(loaded, NotificationBlock):
        raise BadConfig(
            f"notify: {block} is a {type(loaded).__name__}, which cannot send notifications"
        )
    with loaded.raise_on_failure():  # otherwise most blocks only log a failure
        sent: object = loaded.notify(body, subject)
        if iscoroutine(sent):  # blocks of other packages may be asynchronous
            asyncio.run(sent)
