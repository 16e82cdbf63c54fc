"""Bad YAML, moments, names and models: a typed error at once, or no effect."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import yaml as yaml_format

from configs.clock import utc_or_now
from configs.errors import MainspringError
from tasks.scoring.batch import scoring_window
from tests.support.parcel_rows import APRIL, MARCH, parcel_rows
from tests.support.small_case import SmallCase, small_case
from tests.sweeps.tally import Tally, Tell

_LONGEST = 5.0  # seconds for one input
_VALUES: Sequence[Any] = (
    None, "", " ", "[/]", "\x1b[31m", "{x}", "99999999999999w", "-1d", "nan", "inf", -1, 0, 1e400,
    10**30, [], {}, [[]], {"a": {"b": {}}}, "a" * 100_000, "../../etc", "class", "é", "0d", "1.5d",
    True, "2024-01-01", "* * * * *", "99 99 * * *", "*/0 * * * *", datetime(1, 1, 1),  # noqa: DTZ001,
)  # fmt: skip
_TEXTS = (
    "a: &a [x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c,*c,*c]\n" * 3, "[" * 20_000,
    "{" * 20_000, "a: !!python/object/apply:os.system ['true']", "\x00", "a:\n\tb: 1", "- 1\n- 2",
    "name: x\nname: y\n", "%YAML 9.9\n---\n", "a: *missing", "&a [*a]", "? [1, 2]\n: x",
)  # fmt: skip


def sweep_texts(folder: Path, inputs: int, seed: int, tell: Tell) -> Tally:
    """Try YAML files, moments and durations, a third each."""
    chance, tally = random.Random(seed), Tally("bad YAML, moments and texts")
    with small_case(folder) as case:
        case.land("before", parcel_rows(MARCH, days=40))
        case.ingest(APRIL)
        path = folder / "configs" / f"{case.name}.yaml"
        good = path.read_text()
        tries: list[Callable[[], str]] = [
            lambda: _try_yaml(case, path, good, chance, tally),
            lambda: _try_moment(chance, tally),
            lambda: _try_duration(chance, tally),
        ]
        for number in range(inputs):
            what = tries[number % len(tries)]()
            tally.tried += 1
            tell(f"{tally.tried} of {inputs}: {what[:40]!r}")
    return tally


def _attempt(work: Callable[[], object], what: str, tally: Tally) -> None:
    """Do what must end soon: well, or with a typed error."""
    began = time.monotonic()
    try:
        work()
    except MainspringError:
        pass
    except BaseException as error:  # noqa: BLE001 - any other error is what is counted
        tally.add("untyped", f"{what[:200]!r}: {type(error).__name__}: {str(error)[:200]}")
    if time.monotonic() - began > _LONGEST:
        tally.add("hung", what[:200])


def _try_yaml(case: SmallCase, path: Path, good: str, chance: random.Random, tally: Tally) -> str:
    text = chance.choice(_TEXTS) if chance.random() < 0.2 else _spoil(good, chance)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    _attempt(lambda: case.use_case, text[-300:], tally)
    path.write_text(good)
    return text


def _spoil(good: str, chance: random.Random) -> str:
    """Put an odd value or key somewhere into a YAML file."""
    content = yaml_format.safe_load(good)
    place = content
    while True:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        name = chance.choice(names)
        inner = place[name]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.8:
            place = inner
            continue
        break
    if isinstance(place, dict) and chance.random() < 0.3:
        place[str(chance.choice(_VALUES))[:50]] = place.pop(name)
    else:
        place[name] = chance.choice(_VALUES)
    return str(yaml_format.dump(content))


def _try_moment(chance: random.Random, tally: Tally) -> str:
    """Give a flow's `as_of` any moment of the calendar, at any distance from UTC."""
    zone = timezone(timedelta(minutes=chance.randint(-1439, 1439)))
    year = chance.choice([1, 2, 1899, 1969, 2024, 2199, 2262, 9998, 9999])
    day = datetime(year, chance.randint(1, 12), chance.randint(1, 28), tzinfo=zone)
    moment = chance.choice([day, day.replace(tzinfo=None), datetime.max, datetime.min])  # noqa: DTZ901
    _attempt(lambda: utc_or_now(moment), str(moment), tally)
    return str(moment)


def _try_duration(chance: random.Random, tally: Tally) -> str:
    text = str(chance.choice(_VALUES))
    if chance.random() < 0.5:
        sign, unit = chance.choice(["", "-", "1e", "0.", "٣"]), chance.choice("smhdwy")
        text = f"{sign}{chance.randrange(10**12)}{unit}"
    _attempt(lambda: scoring_window(APRIL, text), text, tally)
    return text
