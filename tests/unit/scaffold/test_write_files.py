"""Files of a new use case: all are written, none is overwritten."""

import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.settings import ROOT
from feature_repo.visits.source import write_csv
from tasks.scaffold.plan import GivenAnswers
from tasks.scaffold.render import render_files
from tasks.scaffold.resolution.resolve import make_plan
from tasks.scaffold.write_files import require_free_names, write_use_case
from tests.support.order_samples import plan_orders


def test_what_is_written_loads_and_overwrites_nothing(order_samples, home):
    files = render_files(plan_orders(order_samples, positive="yes", after="2d"))
    with write_use_case(order_samples, "payment", files):
        pass
    use_case = load_use_case("payment", order_samples / "configs")
    assert use_case.tables["customers"].known_from is not None
    assert use_case.features.categorical == ("note", "when", "region")
    for path, content in files.items():
        if path.endswith(".py"):
            compile(content, path, "exec")
    with pytest.raises(BadConfig, match="never overwritten"):
        require_free_names(order_samples, "payment")
    with pytest.raises(FileExistsError), write_use_case(order_samples, "payment", files):
        pass
    assert all((order_samples / path).read_bytes() == content for path, content in files.items())


def test_the_use_case_that_ships_is_what_docs_your_own_makes(tmp_path):
    write_csv(tmp_path / "enrolments.csv")
    said = {"tables": {"enrolments": str(tmp_path / "enrolments.csv")}, "after": "364d"}
    given = GivenAnswers("visits", **said, label="enrolments.visits", schedule="weekly")
    files = render_files(make_plan(given, lambda _flag, _question, proposal: proposal))
    by_hand = files.pop("configs/visits.yaml").decode()
    assert [path for path, text in files.items() if (ROOT / path).read_bytes() != text] == []
    ships = (ROOT / "configs/visits.yaml").read_text()
    assert by_hand.partition("\ntables:")[2].partition("\n# The newest labelled")[0] in ships


def test_what_is_stopped_leaves_nothing(order_samples, home):
    files = render_files(plan_orders(order_samples, positive="yes"))
    with pytest.raises(KeyboardInterrupt), write_use_case(order_samples, "payment", files):
        raise KeyboardInterrupt
    require_free_names(order_samples, "payment")
    assert not (order_samples / "feature_repo" / "payment").exists()
    assert [path for path in order_samples.rglob("*payment*") if path.is_file()] == []
