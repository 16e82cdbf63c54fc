"""One policy, step by step, in a process of its own: python -m tasks.replay.policy_worker FOLDER.

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
from configs.schema.use_case import UseCase
from infra.storage.locks import hold_file_lock
from tasks.replay import shared_training, simulate
from tasks.replay.plan import PolicyJob, ReplayStep
from tasks.replay.progress import ProgressMeter


def run_policy(folder: Path) -> None:
    """All steps of the folder's job that are not done yet."""
    job = PolicyJob.read(folder)
    with hold_file_lock(folder / "lock"):  # a process whose parent was killed may still be at it
        meter = ProgressMeter(folder)
        for step in job.steps[meter.done :]:
            with meter.of(step.do):
                run_step(job, step, meter)
            meter.step_done()
            print(meter.done, flush=True)  # fails, and ends this, once nobody reads it


def run_step(job: PolicyJob, step: ReplayStep, meter: ProgressMeter) -> None:
    """Do one step; what is trained on the way is counted as training."""

    def made(use_case: UseCase, as_of: datetime) -> shared_training.TrainedFiles:
        with meter.of("train"):
            found, again = shared_training.train_once(job.trained, use_case, as_of)
        if again:
            meter.add("train", found.seconds)
        return found

    if step.do == "score":
        simulate.simulate_score(job.use_case, step.at)
    elif step.do == "monitor":
        simulate.simulate_monitor(job.use_case, step.at)
    elif step.do == "train":
        simulate.simulate_scheduled_train(job.use_case, step.at, made)
    else:
        simulate.answer_requests(job.use_case, made)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    try:
        run_policy(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
