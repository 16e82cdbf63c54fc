"""One policy, step by step, in a process of its own: python -m tasks.replay.play FOLDER.

The environment pins the lake and puts everything else below the folder (plan.py). Each step is as
idempotent as the flow that it stands for, and is counted when it is done: killed anywhere and
started again, the process goes on from there and comes to the same end.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path

from configs.errors import MainspringError
from configs.use_case import UseCase
from tasks.replay import loop, shared
from tasks.replay.meter import Meter, locked
from tasks.replay.plan import Job, Step


def play(folder: Path) -> None:
    """All steps of the folder's job that are not done yet."""
    job = Job.read(folder)
    with locked(folder / "lock"):  # a process whose parent was killed may still be at it
        meter = Meter(folder)
        for step in job.steps[meter.done :]:
            with meter.of(step.do):
                take(job, step, meter)
            meter.step_done()
            print(meter.done, flush=True)  # fails, and ends this, once nobody reads it


def take(job: Job, step: Step, meter: Meter) -> None:
    """Do one step; what is trained on the way is counted as training."""

    def made(use_case: UseCase, as_of: datetime) -> shared.Trained:
        with meter.of("train"):
            found, again = shared.train_once(job.trained, use_case, as_of)
        if again:
            meter.add("train", found.seconds)
        return found

    if step.do == "score":
        loop.score(job.use_case, step.at)
    elif step.do == "monitor":
        loop.monitor(job.use_case, step.at)
    elif step.do == "train":
        loop.train_on_schedule(job.use_case, step.at, made)
    else:
        loop.answer(job.use_case, made)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    try:
        play(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
