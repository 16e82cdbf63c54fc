"""Suites → which files are refused whole, and which rows go to quarantine with their reasons.

Great Expectations runs in an ephemeral context with suites from code. What a suite says of a file
as a whole is asked of each file; what it says of rows is asked once of all rows of a table, with
positional results (COMPLETE on a RangeIndex), which is many times cheaper than file by file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.storage import files

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations import Expectation


FILE_COLUMN = "_file"
REASONS_COLUMN = "_reasons"
_SITE = "run"
_POSITIONS = {"result_format": "COMPLETE", "return_unexpected_index_query": False}


@dataclass(frozen=True)
class Suite:
    """What refuses a file as a whole, the row count first, and what sends rows to quarantine."""

    blocking: list[Expectation]
    by_row: list[Expectation]


def load_suite(use_case: UseCase, name: str, as_of: datetime) -> Suite:
    """The suite of a table: what its function says, and the keys and times that the YAML asks for.

    BadConfig if there is no such function, or it names a column that the table lacks.
    """
    from great_expectations.expectations import (
        ExpectColumnValuesToNotBeNull,
        ExpectCompoundColumnsToBeUnique,
    )

    table = use_case.tables[name]
    said = _said(use_case, name, as_of)
    there = dict.fromkeys((*table.key, table.event_time, table.known_time))
    once = [*dict.fromkeys((*table.key, table.known_time)), FILE_COLUMN]
    by_row = [ExpectColumnValuesToNotBeNull(column=column) for column in there]
    by_row += [ExpectCompoundColumnsToBeUnique(column_list=once)]
    by_row += [rule for rule in said if _is_by_row(rule)]
    return Suite([rule for rule in said if not _is_by_row(rule)], by_row)


class Examination:
    """The suites of one run over the landed files of one use case, and their Data Docs.

    The docs are a site a run, in a folder named `run`: an index of all runs would cost more with
    each one. Only its pages are kept: of 4 MB of fonts and pictures they show an icon.
    """

    def __init__(self, use_case: UseCase, as_of: datetime, run: str) -> None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import (
            DataContextConfig,
            InMemoryStoreBackendDefaults,
            ProgressBarsConfig,
        )

        self._use_case, self._as_of, self._run = use_case, as_of, run
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            progress_bars=ProgressBarsConfig(globally=False),
        )
        self._context = gx.get_context(project_config=config, mode="ephemeral")
        self._landing = self._context.data_sources.add_pandas("landing")
        self._suites = {name: load_suite(use_case, name, as_of) for name in use_case.tables}
        self._definitions: dict[str, Any] = {}

    def refusal(self, table: str, rows: pl.DataFrame, path: str) -> str | None:
        """Why a file is refused as a whole; None if it is not."""
        from great_expectations import ExpectationSuite

        rules = self._suites[table].blocking
        frame = _project(rows, rules)
        batch = self._definition(table).get_batch(batch_parameters={"dataframe": frame})
        broken = _broken(batch.validate(ExpectationSuite(name=table, expectations=_copies(rules))))
        if not broken:
            return None
        self._keep(table, f"{table}_file", rules, frame, path.replace("/", "-"))
        return "; ".join(_explain(result) for result in (broken[:1] if rows.is_empty() else broken))

    def reasons(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        """The positions of the rows that break rules, with the rules' names.

        `rows` are a table's rows, of any number of files, with the column `_file`. Returns
        `position` (UInt32, ascending) and `_reasons` (List[String]).
        """
        rules = self._suites[table].by_row
        result = self._keep(table, table, rules, _project(rows, rules), self._run)
        pairs = [
            pl.DataFrame(
                {"position": broken.result["unexpected_index_list"], REASONS_COLUMN: _rule(broken)},
                schema={"position": pl.UInt32, REASONS_COLUMN: pl.String},
            )
            for broken in _broken(result)
        ]
        empty = pl.DataFrame(schema={"position": pl.UInt32, REASONS_COLUMN: pl.String})
        return pl.concat([empty, *pairs]).group_by("position").agg(REASONS_COLUMN).sort("position")

    def write_docs(self) -> str:
        """Write the run's site of Data Docs; the address of its first page."""
        address = f"{settings().reports}/{self._use_case.name}/data_docs/{self._run}"
        with TemporaryDirectory() as folder:
            backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": folder}
            index = {"class_name": "DefaultSiteIndexBuilder"}
            site = {"class_name": "SiteBuilder", "store_backend": backend}
            self._context.add_data_docs_site(_SITE, {**site, "site_index_builder": index})
            self._context.build_data_docs(site_names=[_SITE])
            files.upload_folder(Path(folder), address, "*.html")
        return f"{address}/index.html"

    def _definition(self, table: str) -> Any:  # noqa: ANN401
        """Great Expectations' name for: this table's rows, whatever frame they come in."""
        if table not in self._definitions:
            asset = self._landing.add_dataframe_asset(table)
            self._definitions[table] = asset.add_batch_definition_whole_dataframe("rows")
        return self._definitions[table]

    def _keep(
        self, table: str, name: str, rules: Sequence[Expectation], frame: pd.DataFrame, run: str
    ) -> ExpectationSuiteValidationResult:
        """Validate, with positions, and keep the result for the docs."""
        import great_expectations as gx

        suite = self._context.suites.add_or_update(
            gx.ExpectationSuite(name, expectations=_copies(rules))
        )
        definition = gx.ValidationDefinition(name=name, data=self._definition(table), suite=suite)
        return self._context.validation_definitions.add_or_update(definition).run(
            batch_parameters={"dataframe": frame},
            result_format=_POSITIONS,
            run_id=gx.RunIdentifier(run_name=run, run_time=self._as_of),
        )


def _said(use_case: UseCase, name: str, as_of: datetime) -> list[Expectation]:
    """What the suite's function returns, if it is a suite for the table."""
    module, table = import_module(use_case.expectations), use_case.tables[name]
    function = getattr(module, table.suite, None)
    if function is None:
        raise BadConfig(f"tables.{name}.suite: {use_case.expectations} has no {table.suite}()")
    said: list[Expectation] = function(as_of)
    unknown = set(_columns(said)) - set(table.columns)
    if unknown:
        raise BadConfig(
            f"{use_case.expectations}.{table.suite} names {', '.join(sorted(unknown))}, but the "
            f"columns of {name} are: {', '.join(table.columns)}"
        )
    return said


def _is_by_row(rule: Expectation) -> bool:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    return isinstance(
        rule, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation
    )


def _columns(rules: Sequence[Expectation]) -> list[str]:
    """The columns that rules name, each once."""
    named: dict[str, None] = {}
    for rule in rules:
        single = (getattr(rule, place, None) for place in ("column", "column_A", "column_B"))
        several = getattr(rule, "column_list", None) or []
        named |= dict.fromkeys(name for name in (*single, *several) if name is not None)
    return list(named)


def _project(rows: pl.DataFrame, rules: Sequence[Expectation]) -> pd.DataFrame:
    """Only what the rules name, with rows counted from 0: about half of the cost of all columns.

    Of rules that name none one column stays, for without any there are no rows to count.
    """
    return rows.select(_columns(rules) or rows.columns[:1]).to_pandas()


def _copies(rules: Sequence[Expectation]) -> list[Expectation]:
    """The rules for one more suite: a suite marks its rules as its own, and refuses others'."""
    return [copy(rule) for rule in rules]


def _broken(result: ExpectationSuiteValidationResult) -> list[Any]:
    """The results that do not hold; BadConfig if a rule could not be asked at all."""
    broken = [asked for asked in result.results if not asked.success]
    for asked in broken:
        if asked.exception_info and asked.exception_info.get("raised_exception", True):
            raise BadConfig(f"{_rule(asked)} cannot be asked: {asked.exception_info}")
    return broken


def _rule(result: Any) -> str:  # noqa: ANN401
    """A rule's name and columns, such as `values_to_be_between(wind_speed)`."""
    config = result.expectation_config
    kind = re.sub(r"^expect_(column_(?=values)|column_|table_)?", "", config.type)
    asked = (config.kwargs.get(p) for p in ("column", "column_A", "column_B"))
    columns = [
        name for name in (*asked, *config.kwargs.get("column_list", ())) if name != FILE_COLUMN
    ]
    return f"{kind}({', '.join(name for name in columns if name)})"


def _explain(result: Any) -> str:  # noqa: ANN401
    """Which rule a file breaks, what was found and what is allowed."""
    bounds = {"min_value": "at least", "max_value": "at most"}
    kwargs = result.expectation_config.kwargs
    allowed = [f"{words} {kwargs[b]}" for b, words in bounds.items() if kwargs.get(b) is not None]
    found = result.result.get("observed_value")
    return f"{_rule(result)} found {found}, allowed: {' and '.join(allowed) or kwargs}"
