"""Tallies in files: of all processes together, in order, and not for ever."""

from __future__ import annotations

from tasks.serving.version_tally import VersionTally, read_periods, remove_old_periods


def test_tallies_of_all_processes_are_read_as_one_period(tmp_path):
    for failed in ((), (2,)):
        tally = VersionTally()
        for _ in range(5):
            tally.count_request({1: 0.001, 2: 0.002}, failed)
        tally.write_period(tmp_path, 60.0)
        tally.count_request({1: 0.001}, ())
        tally.write_period(tmp_path, 120.0)
    (tmp_path / ".60.000-x.json.1.new").write_text("{")  # of a killed process
    first, second = read_periods(tmp_path)
    assert (first.end, second.end) == (60.0, 120.0)
    assert (first.versions[2].requests, first.versions[2].errors) == (10, 5)
    assert (second.versions[1].requests, list(second.versions)) == (2, [1])


def test_a_period_without_requests_leaves_no_file(tmp_path):
    VersionTally().write_period(tmp_path, 60.0)
    assert list(tmp_path.iterdir()) == []


def test_old_tallies_are_removed(tmp_path):
    tally = VersionTally()
    for end in (60.0, 60_000.0):
        tally.count_request({1: 0.001}, ())
        tally.write_period(tmp_path, end)
    remove_old_periods(tmp_path, 60_000.0, every=60)
    assert [period.end for period in read_periods(tmp_path)] == [60_000.0]
