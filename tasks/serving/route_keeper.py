"""The route that serves: follows the ledger, opens versions, and switches in one step.

What serves is replaced only by a route whose champion is open. If the ledger or the registry is not
available, or a version does not open, the route stays as it is and `problems` says why.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from configs.errors import MainspringError
from configs.schema.use_case import UseCase
from tasks.ledger.file_digests import FileDigests
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import (
    find_file_digests,
    list_standing_promotions,
    list_undecided_candidates,
)
from tasks.rollout.routing import Route, find_route, list_route_roles
from tasks.serving.opened_version import OpenedVersion, open_served_version
from tasks.serving.predictor import ServedRoute
from tasks.serving.row_schema import build_row_schema

_logger = logging.getLogger(__name__)
RETRY = timedelta(seconds=5)
"""How long after a failure the same version is opened again."""
_Key = tuple[int, FileDigests | None]


class RouteKeeper:
    """Holds the route that serves; `refresh` brings it up to the ledger."""

    def __init__(self, use_case: UseCase) -> None:
        self._use_case = use_case
        self._opened: dict[_Key, OpenedVersion] = {}
        self._failed: dict[_Key, tuple[datetime, str]] = {}
        self._seq = -1
        self._ledger_problem = ""
        self.served: ServedRoute | None = None

    @property
    def problems(self) -> list[str]:
        """Return what keeps the server from following the ledger; empty if nothing does."""
        failed = [message for _, message in self._failed.values()]
        return [*failed, *([self._ledger_problem] if self._ledger_problem else [])]

    def refresh(self, moment: datetime) -> bool:
        """Follow the ledger up to a moment; return whether another route serves now."""
        try:
            if not self._is_due(moment):
                return False
            entries = open_ledger().entries(self._use_case.name)
        except MainspringError as error:
            self._ledger_problem = str(error)
            return False
        self._ledger_problem = ""
        switched = self._follow(entries, moment)
        self._seq = len(entries)
        return switched

    def _is_due(self, moment: datetime) -> bool:
        """Return whether the ledger has new entries, a route ended, or an opening is due again."""
        if open_ledger().read_last_seq(self._use_case.name) != self._seq or self._failed:
            return True
        return self.served is not None and moment >= self.served.route.end

    def _follow(self, entries: Sequence[Entry], moment: datetime) -> bool:
        route = find_route(entries, moment)
        wanted = [] if route is None else list(list_route_roles(route))
        keys = {
            version: (version, find_file_digests(entries, version))
            for version in dict.fromkeys([*wanted, *_list_standby(entries)])
        }
        self._forget(set(keys.values()))
        for version in wanted:
            self._open(keys[version], moment)
        switched = self._stop() if route is None else self._switch(route, keys)
        for key in keys.values():
            self._open(key, moment)
        return switched

    def _open(self, key: _Key, moment: datetime) -> None:
        """Open a version, unless it is open or failed a moment ago."""
        failed = self._failed.get(key)
        if key in self._opened or (failed and moment - failed[0] < RETRY):
            return
        try:
            self._opened[key] = open_served_version(self._use_case, key[0])
            self._failed.pop(key, None)
        except Exception as error:  # of any library that reads the files: the others still serve
            _logger.exception("version %s of %s cannot be opened", key[0], self._use_case.name)
            self._failed[key] = moment, str(error)

    def _stop(self) -> bool:
        """Serve nothing: the ledger has no champion; return whether a route served."""
        before, self.served = self.served, None
        return before is not None

    def _switch(self, route: Route, keys: dict[int, _Key]) -> bool:
        """Let a route serve if its champion is open; return whether it is another one."""
        versions = {
            version: self._opened[keys[version]]
            for version in list_route_roles(route)
            if keys[version] in self._opened
        }
        before = self.served
        if route.champion not in versions:
            return False
        if before is not None and before.route == route and before.versions == versions:
            return False
        try:
            schema = build_row_schema(self._use_case, list(versions.values()))
        except MainspringError as error:
            self._ledger_problem = str(error)
            return False
        self.served = ServedRoute(route, versions, schema)
        return True

    def _forget(self, keys: set[_Key]) -> None:
        """Close versions that neither serve nor may serve soon."""
        serving = {id(each) for each in self.served.versions.values()} if self.served else set()
        kept = {k: v for k, v in self._opened.items() if k in keys or id(v) in serving}
        self._opened = kept
        self._failed = {key: failure for key, failure in self._failed.items() if key in keys}


def _list_standby(entries: Sequence[Entry]) -> list[int]:
    """Return the versions that may serve next: the last two champions, the newest candidate."""
    candidates = list_undecided_candidates(entries)[-1:]
    likely = [*list_standing_promotions(entries)[-2:], *candidates]
    return [entry.version for entry in likely if entry.version is not None]
