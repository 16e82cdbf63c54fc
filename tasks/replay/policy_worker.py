"""Process of one policy: python -m tasks.replay.policy_worker FOLDER.

Environment variables pin the lake and place everything else below the folder (plan.py). Each step
is as idempotent as its flow, and is counted when it is done. So a killed process can be started
again: it continues from there, with the same results.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime
from pathlib import Path

from configs.errors import MainspringError
from configs.schema.use_case import UseCase
from infra.storage.locks import hold_file_lock
from tasks.models.registry import Model
from tasks.replay import shared_training, simulate
from tasks.replay.plan import PolicyJob, ReplayStep
from tasks.replay.progress import STEP_PATIENCE, ProgressMeter


def run_policy(folder: Path) -> None:
    """Run the steps of the folder's job that are not done yet."""
    job = PolicyJob.read(folder)
    with hold_file_lock(
        folder / "lock", STEP_PATIENCE
    ):  # a process whose parent was killed may still run
        meter = ProgressMeter(folder)
        for step in job.steps[meter.done :]:
            with meter.of(step.do):
                run_step(job, step, meter)
            meter.step_done()
            print(meter.done, flush=True)  # fails and ends this process when its parent is gone


def run_step(job: PolicyJob, step: ReplayStep, meter: ProgressMeter) -> None:
    """Run one step; trainings in it are counted as training."""

    def train(
        use_case: UseCase, as_of: datetime, judged: Model | None = None
    ) -> shared_training.TrainedFiles:
        with meter.of("train"):
            trained, is_reused = shared_training.train_once(job.trained, use_case, as_of, judged)
        if is_reused:
            meter.add("train", trained.seconds)
        return trained

    if step.do == "score":
        simulate.simulate_score(job.use_case, step.at)
    elif step.do == "monitor":
        simulate.simulate_monitor(job.use_case, step.at)
    elif step.do == "train":
        simulate.simulate_scheduled_train(job.use_case, step.at, train)
    else:
        simulate.answer_requests(job.use_case, train)


if __name__ == "__main__":
    logging.basicConfig(format="%(levelname)s %(message)s")
    try:
        run_policy(Path(sys.argv[1]))
    except MainspringError as error:
        sys.exit(str(error))
