"""Materialize flow: publish the newest features online, and report stale views.

feature tables ──► online store ──► age of each view
"""

from __future__ import annotations

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from configs.clock import utc_or_now
from configs.schema.loading import load_use_case
from flows.frame import AsOf, FlowRunName, Name, tag_runs
from tasks.features.prefect_tasks import publish_features


@tag_runs
@flow(name="materialize", flow_run_name=FlowRunName("materialize {use_case} {moment}"))
def materialize(use_case: Name, as_of: AsOf = None) -> State[None]:
    """Publish the features known at `as_of`; an older row never replaces a newer one."""
    ages = publish_features(load_use_case(use_case), utc_or_now(as_of))
    stale = ages.filter("stale")["view"].to_list()
    return Completed(message=f"{ages.height} views, stale: {', '.join(stale) or 'none'}")
