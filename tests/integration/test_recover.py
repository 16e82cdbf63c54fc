"""Which model a version is, held against the ledger: lost, renamed, replaced and foreign versions.

Each test has a registered model of its own name, in one real MLflow and one ledger.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from configs.errors import BadModel
from tasks.ledger.log import Entry, open_ledger
from tasks.ledger.projections import find_champion, list_undecided_candidates
from tasks.lifecycle.champion_alias import sync_champion_alias
from tasks.lifecycle.recover import Recovery, recover_champion
from tasks.models import registry
from tasks.models.artifact import ModelArtifact, pack_artifact
from tasks.models.mlflow.client import connect_mlflow
from tasks.models.registry import open_model, register_version
from tasks.promotion.manual_promotion import promote_manually
from tasks.training.candidate import record_candidate
from tests.support.artifacts import fit_artifact
from tests.support.flights import END, quick_use_case
from tests.support.hostile_models import nan_outputs, quadratic
from tests.support.model_files import version_files_of
from tests.support.state import state as lies_in

pytestmark = pytest.mark.system

DAY = timedelta(days=1)
RECOVER = "mainspring recover"
_numbers = itertools.count(1)


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("state")
    with lies_in(folder):
        yield folder


@pytest.fixture(scope="module")
def artifacts() -> tuple[ModelArtifact, ModelArtifact]:
    """Two models of the same inputs."""
    case = quick_use_case()
    return fit_artifact(case, "logistic"), fit_artifact(case, "boosting")


@dataclass
class Story:
    """A use case of its own name, with its versions."""

    name: str
    artifacts: tuple[ModelArtifact, ModelArtifact]

    def own(self, which: int) -> ModelArtifact:
        artifact = self.artifacts[which]
        return replace(artifact, card=artifact.card.model_copy(update={"use_case": self.name}))

    def train(self, which: int, origin: str) -> Entry:
        """Register a model and record it as a candidate, as the train flow does."""
        version = register_version(self.own(which), origin)
        return record_candidate(open_ledger(), self.name, version, origin, END, "train 1")

    def promote(self, version: int, day: int) -> None:
        entry = Entry(self.name, "promoted", f"decision:{version}", END + day * DAY, "p", version)
        open_ledger().record(entry)
        sync_champion_alias(open_ledger(), self.name)

    def recover(self) -> Recovery:
        forget_models()
        case = quick_use_case().model_copy(update={"name": self.name})
        recovery = recover_champion(open_ledger(), case, None, END + 9 * DAY, "ada")
        sync_champion_alias(open_ledger(), self.name)
        return recovery

    def promote_by_hand(self, version: int) -> Entry:
        case = quick_use_case().model_copy(update={"name": self.name})
        return promote_manually(open_ledger(), case, version, END + 9 * DAY, "ada", "asked")

    def open(self, version: int) -> None:
        forget_models()
        open_model(self.name, version)

    @property
    def champion(self) -> int | None:
        entry = find_champion(open_ledger().entries(self.name))
        return None if entry is None else entry.version


def forget_models() -> None:
    registry._open.cache_clear()
    registry._exported_here.clear()


@pytest.fixture
def story(artifacts: tuple[ModelArtifact, ModelArtifact]) -> Story:
    """Version 1 and then version 2 were promoted."""
    story = Story(f"case_{next(_numbers)}", artifacts)
    for version, which in ((1, 0), (2, 1)):
        assert story.train(which, f"train:{version}").version == version
        story.promote(version, version)
    return story


def make_again(story: Story, which: int) -> None:
    """Delete the registered model and register other files under the same numbers."""
    client = connect_mlflow()
    kept = client.get_model_version(story.name, "1" if which == 0 else "2")
    client.delete_registered_model(story.name)
    client.create_registered_model(story.name)
    for _ in range(2):
        client.create_model_version(story.name, kept.source, kept.run_id, tags=kept.tags)


def delete_champion(story: Story) -> None:
    connect_mlflow().delete_model_version(story.name, "2")


def rename_model(story: Story) -> None:
    connect_mlflow().rename_registered_model(story.name, f"{story.name}_renamed")


def remove_files(story: Story) -> None:
    shutil.rmtree(version_files_of(story.name, 2))


def swap_onnx(story: Story) -> None:
    files = version_files_of(story.name, 2)
    (files / "model.onnx").write_bytes(story.artifacts[0].onnx)


def swap_all_files(story: Story) -> None:
    files, other = version_files_of(story.name, 2), pack_artifact(story.own(0))
    (files / "model.onnx").write_bytes(other.onnx)
    (files / "extra_files" / "card.json").write_bytes(other.card)
    (files / "extra_files" / "golden.parquet").write_bytes(other.golden)


def change_threshold(story: Story) -> None:
    path = version_files_of(story.name, 2) / "extra_files" / "card.json"
    card = story.own(1).card.model_copy(update={"threshold": 0.999})
    path.write_text(card.model_dump_json(indent=1))


def change_golden_rows(story: Story) -> None:
    path = version_files_of(story.name, 2) / "extra_files" / "golden.parquet"
    pl.read_parquet(path).head(3).write_parquet(path)


def break_golden_rows(story: Story) -> None:
    path = version_files_of(story.name, 2) / "extra_files" / "golden.parquet"
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize(
    "lose",
    [
        delete_champion, remove_files, swap_onnx, swap_all_files, change_threshold,
        change_golden_rows, break_golden_rows,
    ],
)  # fmt: skip
def test_a_lost_champion_is_named_and_the_one_before_recovered(story, lose):
    lose(story)
    with pytest.raises(BadModel, match=f"{story.name} version 2.*{RECOVER} {story.name}"):
        story.open(2)
    recovery = story.recover()
    assert (recovery.champion, set(recovery.lost)) == (1, {2})
    assert (story.champion, registry.read_alias(story.name)) == (1, 1)
    entries = open_ledger().entries(story.name)
    assert (entries[-1].what, entries[-1].evidence["lost"]) == ("recovered", 2)
    assert story.recover().entry is None
    assert open_ledger().entries(story.name) == entries, "twice is as once"


def lose_registration(story: Story) -> None:
    """Delete the registered model, as in a new database of MLflow; its files stay."""
    connect_mlflow().delete_registered_model(story.name)


@pytest.mark.parametrize("lose", [rename_model, lose_registration])
def test_versions_that_mlflow_lost_are_registered_again(story, lose):
    candidate = story.train(0, "train:3")
    digests = open_model(story.name, 2).digests
    lose(story)
    with pytest.raises(BadModel, match=f"{story.name} version 2 not found in MLflow.*{RECOVER}"):
        story.open(2)
    recovery = story.recover()
    assert (recovery.champion, recovery.restored, recovery.lost) == (2, (1, 2, 3), {})
    assert (recovery.entry, recovery.refused, registry.read_alias(story.name)) == (
        None, (), 2,
    )  # fmt: skip
    forget_models()
    assert open_model(story.name, 2).digests == digests
    assert story.recover().restored == ()
    assert story.train(0, "train:3") == candidate, "its origin is known"
    assert story.train(0, "train:4").version == 4


def lose_all(story: Story) -> None:
    shutil.rmtree(version_files_of(story.name, 1))
    shutil.rmtree(version_files_of(story.name, 2))
    lose_registration(story)


@pytest.mark.parametrize("lose", [lose_all, lambda story: make_again(story, 0)])
def test_without_a_provable_version_the_next_candidate_is_judged_as_the_first(story, lose):
    lose(story)
    with pytest.raises(BadModel, match=RECOVER):
        story.open(2)
    assert story.recover().champion == (None if lose is lose_all else 1)
    entry = story.train(0, "train:2")
    assert entry.version == 3, "a number that the ledger knows is never given again"
    assert [e.version for e in list_undecided_candidates(open_ledger().entries(story.name))] == [3]
    assert entry.key == "candidate:train:2:v3"
    assert story.train(0, "train:2") == entry


def test_a_lost_candidate_is_refused_and_the_champion_stays(story):
    version = story.train(0, "train:3").version
    connect_mlflow().delete_model_version(story.name, str(version))
    recovery = story.recover()
    assert [e.version for e in recovery.refused] == [version]
    assert (recovery.champion, story.champion, recovery.entry) == (2, 2, None)
    assert not story.recover().refused


def test_a_restored_version_can_be_promoted_again(story):
    content = (version_files_of(story.name, 2) / "model.onnx").read_bytes()
    swap_onnx(story)
    story.recover()
    (version_files_of(story.name, 2) / "model.onnx").write_bytes(content)
    forget_models()
    assert story.promote_by_hand(2).key == "hand:2"
    assert story.promote_by_hand(1).key == "hand:1"
    assert story.promote_by_hand(2).key == "hand:2:2"
    assert story.champion == 2


def test_an_older_ledger_proves_the_onnx_file_alone(story):
    old = Story(f"{story.name}_old", story.artifacts)
    version = register_version(old.own(1), "train:old")
    evidence = {"digest": old.artifacts[1].card.digest}
    key = "candidate:train:old"
    open_ledger().record(Entry(old.name, "candidate_registered", key, END, "t", version, evidence))
    path = version_files_of(old.name, version) / "extra_files" / "card.json"
    path.write_text(path.read_text().replace('"threshold": ', '"threshold":  '))
    old.open(version)
    (version_files_of(old.name, version) / "model.onnx").write_bytes(old.artifacts[0].onnx)
    with pytest.raises(BadModel, match=r"sha256 of model\.onnx.*the ledger has"):
        old.open(version)


@pytest.mark.parametrize(
    ("build", "message"),
    [(nan_outputs, "golden rows differently"), (quadratic, "the trial needs more than")],
)
def test_a_foreign_version_is_tried_out_first(story, build, message):
    onnx = build().SerializeToString()
    artifact = story.own(0)
    inputs = artifact.card.inputs.model_copy(
        update={"numeric": ("distance",), "categorical": (), "vocabulary": {}}
    )
    card = artifact.card.model_copy(
        update={"digest": digest_of(onnx), "inputs": inputs, "kind": "regression"}
    )
    golden = pl.DataFrame({"distance": [0.0, 0.0], "answer": [0.0, 0.0], "fitted": [0.0, 0.0]})
    version = register_version(ModelArtifact(onnx, card, golden), "foreign")
    with pytest.raises(BadModel, match=message):
        story.open(version)


def digest_of(content: bytes) -> str:
    from hashlib import sha256

    return sha256(content).hexdigest()
