"""Bad files of many kinds that land beside a good one: each costs itself alone."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from configs.errors import MainspringError
from tests.support.parcel_rows import APRIL, DAY, PARCELS, parcel_rows
from tests.support.small_case import SmallCase, small_case
from tests.sweeps.tally import Tally, Tell

_BATCH = 25
_SOUP = b"\",;\n\r\t\x00\xff\xfe\xef\xbb\xbf\\'0eE+-.NaN[/]{}"
_VALUES = (
    "", "NA", "nan", "inf", "1e999", "1.5", "-0", "99999999999999999999", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "2024-13-40", "2024-02-30T25:61:61Z", "true", "[/]", "\x1b[2J",
    "</script><script>alert(1)</script>", "=cmd()", "’", "\u202e", "a\nb", "1,5", "P" * 70_000,
)  # fmt: skip


def sweep_files(folder: Path, files: int, seed: int, tell: Tell) -> Tally:
    """Land bad files in batches with a good one each; check both sums after each ingest."""
    chance, tally = random.Random(seed), Tally("bad files")
    for suffix, makers in _MAKERS.items():
        table = replace(PARCELS, suffix=suffix)
        with small_case(folder / suffix, tables={"parcels": table}) as case:
            upto = files if tally.tried else files // 2
            while tally.tried < upto:
                at = APRIL + tally.tried * DAY
                good = case.land(f"good-{tally.tried}", parcel_rows(at, days=1), at=at)
                for _ in range(min(_BATCH, upto - tally.tried)):
                    content = chance.choice(makers)(chance, at)
                    case.land(f"bad-{tally.tried}.{suffix}", content, at=at)
                    tally.tried += 1
                _ingest(case, at, good.name, tally)
                tell(f"{tally.tried} of {files} files")
    return tally


def _ingest(case: SmallCase, at: datetime, good: str, tally: Tally) -> None:
    """Ingest; the rows of the good file are all there, and each other file has a verdict."""
    try:
        verdicts = {Path(v.file.path).name: v for v in case.ingest(at + DAY + timedelta(hours=1))}
    except MainspringError as error:
        tally.add("stuck", f"{good}: {error}")
        return
    except BaseException as error:  # noqa: BLE001 - any other error is what is counted
        tally.add("untyped", f"{good}: {type(error).__name__}: {str(error)[:300]}")
        return
    verdict = verdicts.get(good)
    if verdict is None or verdict.accepted + verdict.quarantined != 32:
        tally.add("lost", f"{good}: {verdict}")
    for name, each in verdicts.items():
        if each.status == "refused" and name not in each.reason and not each.reason:
            tally.add("silent", f"{name} is refused without a reason")
    raw, taken = case.raw().height, case.file_records()["accepted"].sum()
    if raw != taken:
        tally.add("lost" if raw < taken else "doubled", f"{raw} raw rows, {taken} recorded")


def _good(at: datetime) -> pl.DataFrame:
    return parcel_rows(at, days=0.5, per_day=20, number=700_000)


def _csv(at: datetime) -> bytes:
    return _good(at).write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ").encode()


def _parquet(at: datetime) -> bytes:
    target = io.BytesIO()
    _good(at).write_parquet(target)
    return target.getvalue()


def _mutated(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made))
        kind = chance.randrange(4)
        if kind == 0:
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del made[at : at + chance.randint(1, 40)]
        elif kind == 2:
            made[at:at] = bytes(chance.choice(_SOUP) for _ in range(chance.randint(1, 9)))
        else:
            made = made[: max(1, at)]
    return bytes(made)


def _broken_csv(chance: random.Random, at: datetime) -> bytes:
    return _mutated(_csv(at), chance)


def _broken_parquet(chance: random.Random, at: datetime) -> bytes:
    return _mutated(_parquet(at), chance)


def _odd_values(chance: random.Random, at: datetime) -> bytes:
    rows = _good(at).select(pl.all().cast(pl.String))
    column, value = chance.choice(rows.columns), chance.choice(_VALUES)
    row = chance.randrange(rows.height)
    values = rows[column].to_list()
    values[row] = value
    return rows.with_columns(pl.Series(column, values)).write_csv().encode()


def _odd_types(chance: random.Random, at: datetime) -> bytes:
    column = chance.choice(["weight", "items", "sent", "damaged", "depot"])
    types = [pl.List(pl.String), pl.Struct({"a": pl.Int8}), pl.Binary(), pl.Time(), pl.UInt64()]
    odd = pl.Series([None] * 10, dtype=chance.choice(types))
    target = io.BytesIO()
    _good(at).with_columns(odd.alias(column)).write_parquet(target)
    return target.getvalue()


def _odd_shape(chance: random.Random, at: datetime) -> bytes:
    lines = _csv(at).split(b"\n")
    shapes: list[Callable[[], bytes]] = [
        lambda: b"", lambda: b"\n\n\n", lambda: lines[0], lambda: b"\n".join(lines[1:]),
        lambda: b"\n".join([lines[0] + b",extra", *lines[1:]]),
        lambda: _csv(at).replace(b",", b";"),
        lambda: _csv(at).decode().encode("utf-16"), lambda: b"\x00" * 5000,
        lambda: b"\n".join([lines[0], lines[0], *lines[1:]]),
        lambda: b"PAR1" + b"\xff" * 64 + b"PAR1",
        lambda: _csv(at)[:-5], lambda: b"\xef\xbb\xbf" + _csv(at),
    ]  # fmt: skip
    return chance.choice(shapes)()


_MAKERS = {
    "csv": (_broken_csv, _broken_csv, _odd_values, _odd_values, _odd_shape),
    "parquet": (_broken_parquet, _broken_parquet, _odd_types, _odd_shape),
}
