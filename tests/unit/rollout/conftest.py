"""Fixtures of rollouts."""

import pytest

from tests.support.rollout_story import RolloutStory


@pytest.fixture
def story() -> RolloutStory:
    return RolloutStory()
