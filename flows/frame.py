"""Frame of every flow: names and tags of runs, parameters with help, and errors in plain words."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any, ParamSpec, TypeVar

from prefect import Flow, get_run_logger, tags
from prefect.context import FlowRunContext
from prefect.states import Failed
from pydantic import Field

from configs.clock import as_utc, utc_or_now
from configs.errors import MainspringError
from tasks.orchestration.run_logs import RunName

P = ParamSpec("P")
R = TypeVar("R")


class FlowRunName(RunName):
    """A template of a flow run's name; `{moment}` is `as_of`, or now."""

    __slots__ = ()

    def format(self, *args: object, **parameters: object) -> str:
        """Return the name, like `monitor flights 2013-07-15`."""
        return super().format(*args, **parameters, moment=_format_moment(parameters.get("as_of")))


def _format_moment(as_of: object) -> str:
    """Return a moment to the day, or to the minute if it is not midnight."""
    try:
        time = datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of
        moment = as_utc(time) if isinstance(time, datetime) else utc_or_now()
    except (ValueError, OverflowError):  # the flow itself refuses it
        return str(as_of)
    return f"{moment:%Y-%m-%d %H:%M}".removesuffix(" 00:00")


class TaggedFlow(Flow[P, R]):
    """A flow whose direct runs have the tags that its deployments give to their runs."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run the flow with the tags of its use case and stage."""
        use_case = kwargs.get("use_case", args[0] if args else "")
        with tags("mainspring", str(use_case), self.name):
            return super().__call__(*args, **kwargs)


def tag_runs(built: Flow[P, R]) -> Flow[P, R]:
    """Return a flow whose direct runs have tags too, and whose failed runs say why in plain words.

    Prefect begins the message of a failed state with the class of the exception. A state that the
    flow returns itself has the message of our own errors alone, and the exception as its data.
    """
    built.__class__ = TaggedFlow
    built.fn = _fail_in_plain_words(built.fn)
    return built


def _fail_in_plain_words(function: Callable[P, R]) -> Callable[P, R]:
    @wraps(function)
    def call(*args: P.args, **parameters: P.kwargs) -> Any:  # noqa: ANN401
        try:
            return function(*args, **parameters)
        except MainspringError as error:
            if FlowRunContext.get() is None:  # called as a function
                raise
            get_run_logger().exception("%s", error)
            return Failed(message=str(error), data=error)

    return call


def _describe(title: str, description: str, *examples: object, pattern: str | None = None) -> Any:  # noqa: ANN401
    """Return what Prefect's form shows of a parameter; Prefect replaces title and description.

    Args:
        title: The label of the field.
        description: The help below it.
        examples: Values that it may have.
        pattern: The regular expression of a text.
    """
    shown: Callable[..., Any] = Field
    extra = {"title": title, "description": description}
    return shown(examples=list(examples), pattern=pattern, json_schema_extra=extra)


Name = Annotated[
    str,
    _describe("Use case", "Name of a file in configs/, without .yaml.", "churn"),
]
_MOMENT = ("2013-07-15T00:00:00Z", "2013-07-15T04:30:00Z")
AsOf = Annotated[
    datetime | None,
    _describe(
        "As of (UTC)",
        "Moment that this run treats as now: what became known later is not read. Empty: now.",
        *_MOMENT,
    ),
]
StepAsOf = Annotated[
    datetime | None,
    _describe(
        "As of (UTC)",
        "Moment at which the step happens. Empty: the moment at which it was requested.",
        *_MOMENT,
    ),
]
Window = Annotated[
    str | None,
    _describe(
        "Window",
        "Score this span before `as of` again: a whole number and m, h, d or w. Empty: only rows "
        "without a prediction.",
        "7d",
        "12h",
        pattern=r"^[0-9]{1,8}[mhdw]$",
    ),
]
VersionNumber = Annotated[
    int, _describe("Version", "Number of the model version, as MLflow shows it.", 3)
]
AlertKey = Annotated[
    str,
    _describe(
        "Alert",
        "Key of the alert in the ledger; `mainspring history <use case> --full --json` shows it.",
        "alert:episode:performance:roc_auc_5w:2013-07-15:2013-07-15",
        pattern=r"^alert:.+$",
    ),
]
PromotionKey = Annotated[
    str,
    _describe(
        "Promotion",
        "Key of the promotion in the ledger that is undone.",
        "decision:3",
        "hand:3",
        pattern=r"^[a-z_]+:.+$",
    ),
]
RetryRefused = Annotated[
    bool, _describe("Retry refused files", "Validate the files again that were refused.", False)
]
Report = Annotated[
    bool, _describe("Report", "Write Evidently's report, also if nothing pages (seconds).", True)
]
Force = Annotated[
    bool,
    _describe(
        "Force", "Monitor although `as of` is long after the newest row that is known.", False
    ),
]
