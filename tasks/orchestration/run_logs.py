"""Names and logs of Prefect runs: foreign text on one line, and no password."""

from __future__ import annotations

import logging
import traceback

from configs.foreign_text import fold_text, neutralise_text
from configs.urls import shown

_NAMES = ("flow_run_name", "task_run_name", "deployment_name")

_LONGEST_NAME = 200


class RunName(str):
    """A template of a run's name, such as `watch-{use_case}`; parameters are foreign text."""

    __slots__ = ()

    def format(self, *args: object, **parameters: object) -> str:
        """Return the name on one line."""
        return fold_text(super().format(*args, **parameters))[:_LONGEST_NAME]


class _CleanText(logging.Filter):
    """Clean the texts of a record; a message keeps the line ends of its own format alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(fold_text(a) if isinstance(a, str) else a for a in record.args)
        record.msg, record.args = shown(neutralise_text(record.getMessage())), ()
        if record.exc_info and not record.exc_text:
            lines = traceback.format_exception(*record.exc_info)
            record.exc_text = shown(neutralise_text("".join(lines)))
        for name in _NAMES:
            if isinstance(text := getattr(record, name, None), str):
                setattr(record, name, fold_text(text))
        return True


def clean_run_logs() -> None:
    """Clean every record of flow and task runs, those of Prefect itself included; idempotent."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, _CleanText) for each in logger.filters):
            logger.addFilter(_CleanText())
