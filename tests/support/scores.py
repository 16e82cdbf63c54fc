"""Labels with scores that are their true chances."""

import numpy as np

from configs.schema.costs import Cost

COST = Cost(false_positive=1, false_negative=3, true_positive=0.5, true_negative=0.1)


def draw_labels_and_scores(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probability = np.round(random.random(n), 2)
    return (random.random(n) < probability).astype(np.int8), probability
