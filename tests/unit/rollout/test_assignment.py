"""The arm of an entity: shares that hold, for good, for a frame and a single request alike."""

from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import blake2b

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.rollout.assignment import (
    CHALLENGER,
    CHAMPION,
    assign_arms,
    entity_position,
    rollout_salt,
)

ENTITIES = pl.DataFrame({"who": range(100_000)}).with_columns(
    where=pl.col("who").mod(7).cast(pl.String)
)
SALT = rollout_salt("flights", 2)


def challenged(salt: str, share: float) -> pl.Series:
    return assign_arms(ENTITIES, salt, share) == CHALLENGER


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_of_100_000_entities_the_share_is_within_half_a_point(share):
    assert challenged(SALT, share).mean() == pytest.approx(share, abs=0.005)


def test_nobody_moves_back_when_the_share_grows():
    small, large = challenged(SALT, 0.1), challenged(SALT, 0.5)
    assert not (small & ~large).any()


def test_two_challengers_get_different_entities():
    one, other = challenged(SALT, 0.5), challenged(rollout_salt("flights", 3), 0.5)
    assert (one & other).mean() == pytest.approx(0.25, abs=0.005)


def test_the_edges_send_nobody_or_everybody():
    assert assign_arms(ENTITIES, SALT, 0.0).unique().to_list() == [CHAMPION]
    assert assign_arms(ENTITIES, SALT, 1.0).unique().to_list() == [CHALLENGER]


def test_an_entity_keeps_its_arm_in_any_order_company_and_number():
    some = pl.DataFrame({"a": ["x", None, "x", "y"], "b": [1.0, 2.5, 1.0, None]})
    arms = assign_arms(some, SALT, 0.5)
    assert arms.name == "arm"
    assert arms.to_list() == assign_arms(some.reverse(), SALT, 0.5).reverse().to_list()
    assert arms.to_list() == [
        CHALLENGER if entity_position(row, SALT) < 0.5 else CHAMPION for row in some.iter_rows()
    ]
    assert assign_arms(some.clear(), SALT, 0.5).to_list() == []


def test_the_draw_is_the_one_that_was_written_down():
    """A change of it would move entities in a roll-out that runs."""
    when = datetime(2026, 3, 2, 18, 5, tzinfo=UTC)
    text = b'["flights:2","UA",15,null,"2026-03-02T18:05:00.000000Z"]'
    drawn = int.from_bytes(blake2b(text, digest_size=8).digest(), "big") / 2**64
    assert entity_position(("UA", 15, None, when), "flights:2") == pytest.approx(drawn, abs=1e-15)
    assert drawn == pytest.approx(0.6739942611804438, abs=1e-15)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (datetime(2026, 3, 2, 18), datetime(2026, 3, 2, 18, tzinfo=UTC)),  # noqa: DTZ001
        (
            datetime(2026, 3, 2, 18, tzinfo=UTC),
            datetime(2026, 3, 2, 20, tzinfo=timezone(timedelta(hours=2))),
        ),
        (5, 5.0),
        (None, float("nan")),
    ],
)
def test_the_same_value_is_the_same_however_it_comes(one, other):
    assert entity_position((one,), SALT) == entity_position((other,), SALT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        ((None,), ("null",)),
        ((1,), ("1",)),
        ((True,), (1,)),
        (("a",), ("a", None)),
        ((date(2026, 3, 2),), (datetime(2026, 3, 2, tzinfo=UTC),)),
    ],
)
def test_different_entities_are_spelled_differently(one, other):
    assert entity_position(one, SALT) != entity_position(other, SALT)


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), max_size=4))
def test_any_value_has_a_place(entity):
    assert 0 <= entity_position(entity, SALT) < 1
    assert entity_position(entity, SALT) == entity_position(tuple(entity), SALT)
