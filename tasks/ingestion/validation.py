"""Validation of landed files with Great Expectations: refused files and quarantined rows.

Suites come from code and run in an ephemeral context. Rules on a whole file run file by file. Rules
on rows run once over all rows of a table, with the positions of invalid rows (COMPLETE on a
RangeIndex), which is many times cheaper.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import polars as pl

from configs.errors import BadConfig
from configs.schema.use_case import UseCase
from configs.settings import settings
from tasks.features.raw_tables import FILE_COLUMN as FILE_COLUMN
from tasks.ingestion.data_docs import name_docs_run, write_data_docs
from tasks.ingestion.refusals import Refusal
from tasks.ingestion.rule_results import (
    RuleResult,
    describe_failure,
    name_rule,
    read_rule_results,
)

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.core import ExpectationSuiteValidationResult
    from great_expectations.expectations import Expectation


REASONS_COLUMN = "_reasons"
POSITION = "__position"
"""Column of the place of a row among those that are judged together."""


@dataclass(frozen=True)
class Suite:
    """Rules that refuse a whole file, the row count first, and rules that quarantine rows."""

    blocking: list[Expectation]
    by_row: list[Expectation]


def load_suite(use_case: UseCase, name: str, as_of: datetime) -> Suite:
    """Return the suite of a table: its function's rules, and rules on keys and times of the YAML.

    Raises BadConfig if the function is missing, or names a column that the table lacks.
    """
    from great_expectations.expectations import ExpectColumnValuesToNotBeNull

    table = use_case.tables[name]
    rules = _load_rules(use_case, name, as_of)
    required = dict.fromkeys((*table.key, table.event_time, table.known_time))
    by_row = [ExpectColumnValuesToNotBeNull(column=column) for column in required]
    by_row += [rule for rule in rules if _is_by_row(rule)]
    return Suite([rule for rule in rules if not _is_by_row(rule)], by_row)


class FileValidator:
    """Validate the landed files of one run, and write its Data Docs.

    The docs are one site a run, in a folder named after the run: the cost of an index over all
    runs would grow with each. Only HTML pages are kept, without 4 MB of fonts and images.
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
        self.rule_results: list[RuleResult] = []

    def find_refusal(self, table: str, rows: pl.DataFrame, path: str) -> Refusal | None:
        """Return why a file is refused as a whole; None if it is not.

        Args:
            table: name of the file's table.
            rows: the parsed file.
            path: of the file, for the Data Docs.
        """
        from great_expectations import ExpectationSuite

        rules = self._suites[table].blocking
        frame = _project(rows, rules)
        batch = self._definition(table).get_batch(batch_parameters={"dataframe": frame})
        suite = ExpectationSuite(name=table, expectations=_copy_rules(rules))
        result = batch.validate(suite)
        failed = _select_failed(result)
        self.rule_results.extend(read_rule_results(table, result.results, path))
        if not failed:
            return None
        self._validate(table, f"{table}_file", rules, frame, name_docs_run(path))
        failed = failed[:1] if rows.is_empty() else failed
        failures = "; ".join(map(describe_failure, failed))
        reason = f"{path}: {failures}; correct the file and land it again, or correct the suite"
        if self._depend_on_time(table, failed):
            return Refusal(reason, "time", rows.height, self._as_of)
        return Refusal(reason, "suite", rows.height)

    def find_row_errors(self, table: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the positions of invalid rows, and the names of the rules that they break.

        Columns: `__position` (UInt32, ascending) and `_reasons` (List[String]).

        Args:
            table: name of a table.
            rows: rows of any number of its files, with the column `_file`.
        """
        rules = self._suites[table].by_row
        result = self._validate(table, table, rules, _project(rows, rules), self._run)
        failed = _select_failed(result)
        self.rule_results.extend(read_rule_results(table, result.results))
        pairs = [
            pl.DataFrame(
                {
                    POSITION: one.result["unexpected_index_list"],
                    REASONS_COLUMN: name_rule(one),
                },
                schema={POSITION: pl.UInt32, REASONS_COLUMN: pl.String},
            )
            for one in failed
        ]
        empty = pl.DataFrame(schema={POSITION: pl.UInt32, REASONS_COLUMN: pl.String})
        return pl.concat([empty, *pairs]).group_by(POSITION).agg(REASONS_COLUMN).sort(POSITION)

    def write_docs(self) -> str:
        """Write the Data Docs of the run; return the address of the first page."""
        folder = f"{settings().reports}/{self._use_case.name}/data_docs/{self._run}"
        return write_data_docs(self._context, folder)

    def _depend_on_time(self, table: str, failed: Sequence[Any]) -> bool:
        """Return whether a suite asks less of a file at another time, like the day before."""
        rules = _load_rules(self._use_case, table, self._as_of - timedelta(days=1))
        others = {_identify_rule(rule.configuration) for rule in rules}
        return any(_identify_rule(one.expectation_config) not in others for one in failed)

    def _definition(self, table: str) -> Any:  # noqa: ANN401
        """Return the batch definition of a table, which takes any frame of its rows."""
        if table not in self._definitions:
            asset = self._landing.add_dataframe_asset(table)
            self._definitions[table] = asset.add_batch_definition_whole_dataframe("rows")
        return self._definitions[table]

    def _validate(
        self, table: str, name: str, rules: Sequence[Expectation], frame: pd.DataFrame, run: str
    ) -> ExpectationSuiteValidationResult:
        """Validate with positions of invalid rows, and keep the result for the Data Docs."""
        import great_expectations as gx

        suite = self._context.suites.add_or_update(
            gx.ExpectationSuite(name, expectations=_copy_rules(rules))
        )
        definition = gx.ValidationDefinition(name=name, data=self._definition(table), suite=suite)
        return self._context.validation_definitions.add_or_update(definition).run(
            batch_parameters={"dataframe": frame},
            result_format={
                "result_format": "COMPLETE",
                "return_unexpected_index_query": False,
            },
            run_id=gx.RunIdentifier(run_name=run, run_time=self._as_of),
        )


def _load_rules(use_case: UseCase, name: str, as_of: datetime) -> list[Expectation]:
    """Return the rules of the suite's function; raise BadConfig if they do not fit the table."""
    module, table = import_module(use_case.expectations), use_case.tables[name]
    function = getattr(module, table.suite, None)
    if function is None:
        raise BadConfig(f"tables.{name}.suite: {use_case.expectations} has no {table.suite}()")
    rules: list[Expectation] = function(as_of)
    unknown = set(_list_columns(rules)) - set(table.columns)
    if unknown:
        raise BadConfig(
            f"{use_case.expectations}.{table.suite} names {', '.join(sorted(unknown))}, but the "
            f"columns of {name} are: {', '.join(table.columns)}"
        )
    return rules


def _is_by_row(rule: Expectation) -> bool:
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    return isinstance(
        rule, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation
    )


def _list_columns(rules: Sequence[Expectation]) -> list[str]:
    """Return the columns that rules name, each once."""
    named: dict[str, None] = {}
    for rule in rules:
        single = (getattr(rule, key, None) for key in ("column", "column_A", "column_B"))
        several = getattr(rule, "column_list", None) or []
        named |= dict.fromkeys(name for name in (*single, *several) if name is not None)
    return list(named)


def _project(rows: pl.DataFrame, rules: Sequence[Expectation]) -> pd.DataFrame:
    """Return the columns that the rules name, which costs about half of all columns.

    If they name none, one column stays: a frame without columns has no rows.
    """
    return rows.select(_list_columns(rules) or rows.columns[:1]).to_pandas()


def _copy_rules(rules: Sequence[Expectation]) -> list[Expectation]:
    """Return copies of rules for another suite: Great Expectations binds a rule to one suite."""
    return [copy(rule) for rule in rules]


def _select_failed(result: ExpectationSuiteValidationResult) -> list[Any]:
    """Return the failed results; raise BadConfig if a rule raised an error."""
    failed = [one for one in result.results if not one.success]
    for one in failed:
        if one.exception_info and one.exception_info.get("raised_exception", True):
            raise BadConfig(f"{name_rule(one)} cannot be evaluated: {one.exception_info}")
    return failed


def _identify_rule(config: Any) -> str:  # noqa: ANN401
    """Return a rule's kind and values as text."""
    kwargs = {name: value for name, value in config.kwargs.items() if name != "batch_id"}
    return f"{config.type} {sorted(kwargs.items(), key=str)}"
