"""The use case visits: its sample passes every step up to a training set."""

from datetime import UTC, datetime

from tests.support.trial import Trial

START = datetime(1975, 1, 1, tzinfo=UTC)
END = datetime(1980, 12, 24, tzinfo=UTC)


def test_the_sample_passes_every_step_up_to_a_training_set(home):
    trial = Trial("visits", START, END)
    assert trial.refused() == []
    assert trial.quarantined() == {}
    assert trial.wrong() == []
    rows = trial.training_set()
    assert rows.height == 200
    assert rows.select(trial.use_case.features.inputs).height == rows.height
