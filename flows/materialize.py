"""materialize: the newest features that are known go to the online store; stale ones are told of.

feature tables ──► online store ──► how old is each view?
"""

from __future__ import annotations

from datetime import datetime

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from tasks.features.prefect_tasks import publish_features


@flow(name="materialize", flow_run_name="materialize-{use_case}")
def materialize(use_case: str, as_of: datetime | None = None) -> State[None]:
    """Publish what was known by `as_of`; the online store never goes back in time."""
    ages = publish_features(load_use_case(use_case), utc_or_now(as_of))
    stale = ages.filter("stale")["view"].to_list()
    return Completed(message=f"{ages.height} views, stale: {', '.join(stale) or 'none'}")
