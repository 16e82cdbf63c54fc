"""Numbers, shares and moments as reports show them."""

from datetime import UTC, datetime

from tasks.reporting import formats


def test_formats_show_a_dash_for_none():
    shown = (
        formats.format_number(None, 2), formats.format_count(None), formats.format_share(None),
        formats.format_moment(None), formats.format_value(None),
    )  # fmt: skip
    assert set(shown) == {formats.MISSING}


def test_format_number_has_digits_and_a_sign_if_asked():
    assert formats.format_number(0.12345, 3) == "0.123"
    assert formats.format_number(0.5, 1, signed=True) == "+0.5"
    assert formats.format_number(-0.0, 1) == "0.0"


def test_format_interval_leaves_out_an_unknown_one():
    assert formats.format_interval(0.7, 0.6, 0.8, 1) == "0.7 [0.6, 0.8]"
    assert formats.format_interval(0.7, None, 0.8, 1) == "0.7"


def test_format_value_suits_the_type():
    values = (True, 1234, 1234.0, 0.5, datetime(2013, 1, 1, tzinfo=UTC), "text")
    shown = ["True", "1,234", "1,234", "0.5000", "2013-01-01 00:00", "text"]
    assert [formats.format_value(value) for value in values] == shown
