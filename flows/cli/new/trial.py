"""Trial of a new use case: its whole sample from landing to training, in a state thrown away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from configs.errors import BadConfig, MainspringError
from tasks.storage import files

_SECONDS = 1800
_RESULT = "trial: "  # begins the line with the result, after what libraries print


def try_use_case(
    root: Path, name: str, samples: Mapping[str, Sequence[str]], as_of: datetime
) -> str:
    """Run a new use case on its sample; return what training came to, in a sentence.

    Raises BadConfig with each problem.

    Args:
        root: the project's root, with the files of the use case.
        name: the use case.
        samples: addresses of the sample files by table.
        as_of: a moment after all of the sample.
    """
    with TemporaryDirectory() as state:
        for table, paths in samples.items():
            for number, path in enumerate(paths):
                file = f"{number:04}-{Path(path).name}"
                files.write_file(f"{state}/landing/{name}/{table}/{file}", files.read_file(path))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAINSPRING_")}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "flows.cli.new.trial", name, as_of.isoformat()],
                cwd=root, capture_output=True, text=True, timeout=_SECONDS, check=False,
                env={**kept, "MAINSPRING_STATE": state, "PYTHONPATH": str(root),
                     "MAINSPRING_USE_CASES": str(root / "configs")},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise BadConfig(
                f"the trial of {name} took longer than {_SECONDS} s. Give fewer sample files, or "
                "--no-trial"
            ) from error
    lines = [line for line in done.stdout.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise BadConfig(f"the trial of {name} ended without a result: {done.stderr[-2000:]}")
    result = json.loads(lines[-1].removeprefix(_RESULT))
    if result["problems"]:
        raise BadConfig(
            f"{name} does not pass its own sample, so nothing is written:\n"
            + "\n".join(f"  {problem}" for problem in result["problems"])
        )
    return str(result["training"])


def find_problems(name: str, as_of: datetime) -> Iterator[str]:
    """Yield what is wrong with a use case on the files that landed; ingest and refresh them."""
    from configs.schema.loading import load_use_case
    from tasks.checks.use_case import check_use_case
    from tasks.ingestion.feature_refresh import refresh_features
    from tasks.ingestion.ingest import commit_rows, validate_files
    from tasks.ingestion.landing import discover_files, record_files

    case = load_use_case(name)
    intake = validate_files(case, discover_files(case, as_of=as_of), as_of)
    for verdict in intake.verdicts:
        if verdict.status not in ("accepted", "duplicate"):
            yield f"file of {verdict.file.table} is {verdict.status}: {verdict.reason}"
    for table, parts in intake.quarantined.items():
        for rows in parts.values():
            yield from _describe_quarantine(table, rows.to_dicts())
    commit_rows(case, intake)
    record_files(case, intake.verdicts, as_of)
    refresh_features(case, as_of)
    for finding in check_use_case(name):
        if finding.verdict == "wrong":
            yield f"{finding.subject}: {finding.detail}"


def train_on_sample(name: str, as_of: datetime) -> str:
    """Train on the sample, and return the result in a sentence; too few rows are no problem."""
    from configs.schema.loading import load_use_case
    from tasks.training.pipeline import train_model

    case = load_use_case(name)
    try:
        card = train_model(case, as_of).card
    except MainspringError as error:
        return f"the sample is too small to train on: {error}"
    metric = case.evaluation.metric
    return f"the sample trains a model: {metric} {card.holdout[metric]:.3f} on its last days"


def _describe_quarantine(table: str, rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Yield each rule that rows break, with their number and the values of one."""
    broken: dict[str, list[Mapping[str, object]]] = {}
    for row in rows:
        reasons = row["_reasons"]
        assert isinstance(reasons, list)
        for reason in reasons:
            broken.setdefault(reason, []).append(row)
    for reason, examples in broken.items():
        match = re.search(r"\((.*)\)", reason)
        columns = [name for name in (match[1].split(", ") if match else ()) if name in examples[0]]
        values = ", ".join(f"{name} {examples[0][name]!r:.60}" for name in columns)
        yield (
            f"table {table}: {len(examples)} rows break {reason}, like "
            f"{values or 'its first row'}; "
            f"correct the sample, or give other --keys or --event-time for {table}"
        )


def main(name: str, as_of: datetime) -> None:
    """Print the problems and the result of training, for `try_use_case`."""
    training = ""
    try:
        problems = list(find_problems(name, as_of))
        training = "" if problems else train_on_sample(name, as_of)
    except Exception as error:  # noqa: BLE001 - generated code and libraries may raise anything
        problems = [f"{type(error).__name__}: {error}"]
    print(_RESULT + json.dumps({"problems": problems, "training": training}))


if __name__ == "__main__":
    main(sys.argv[1], datetime.fromisoformat(sys.argv[2]))
