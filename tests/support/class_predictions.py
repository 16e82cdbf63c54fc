"""Predictions of three classes, and the prices of their decisions."""

import numpy as np

from configs.schema.costs import ClassCost
from tasks.evaluation.problem_types.multiclass import Multiclass
from tests.support.punctuality import CLASSES

KIND = Multiclass(CLASSES)
COST = ClassCost(wrong=1, exceptions={"late": {"early": 5, "on_time": 3}, "early": {"early": 0.5}})
PRICES = np.array([[0.5, 1, 1], [1, 0, 1], [5, 3, 0]])
THRESHOLD = KIND.choose_threshold([], [], COST)


def draw_classes(n: int = 2000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities that know something of them."""
    random = np.random.default_rng(seed)
    p = random.dirichlet([1, 2, 1], n)
    return np.array([random.choice(3, p=row) for row in p], dtype=np.float64), p
