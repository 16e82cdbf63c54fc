"""One of several classes: the model answers the probability of each, and the class of least
expected cost is decided on.

A label is the code of its class, its place among `classes`; so is a decision, which the tables of
answers hold by name. What a version decides by are its prices: of true class i and decided class j,
the decision is the j of least sum over i of p_i * price_ij (C. Elkan, "The Foundations of
Cost-Sensitive Learning", IJCAI 2001, equation 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from configs.errors import BadConfig
from configs.schema.costs import AnyCost, ClassCost
from tasks.evaluation.metrics import Decisions, Floats, calibration_error, calibration_table
from tasks.evaluation.problem_types.base import SCORE_COLUMN, ProblemType, Threshold
from tasks.evaluation.problem_types.multiclass_metrics import (
    class_codes,
    class_metrics,
    rank_classes,
    settle_prices,
)


class Multiclass(ProblemType):
    """Labels 0, 1, … of classes with a name."""

    name = "multiclass"
    column = "probability"
    label_type = pl.Int8()
    shown = ("log_loss", "accuracy", "cost")
    sliced = ("log_loss", "accuracy", "macro_f1", "calibration_gap", "cost")
    sure_of = ("log_loss", "brier", "accuracy", "calibration_gap", "cost")
    opponent = "the shares of the classes"
    points = (100.0, "points")
    axes = ("probability of the decided class", "share decided right")

    def __init__(self, classes: tuple[str, ...] = ()) -> None:
        super().__init__(classes)
        self._codes = {name: code for code, name in enumerate(classes)}
        of_class = (f"{metric}_{name}" for name in classes for metric in ("precision", "recall"))
        self.carded = (*self.sure_of[:3], "macro_f1", "roc_auc", "calibration_gap", "ece", "cost",
                       *of_class)  # fmt: skip

    def fits(self, estimator: object) -> bool:
        """A classifier that gives probabilities."""
        from sklearn.base import is_classifier

        return is_classifier(estimator) and hasattr(estimator, "predict_proba")

    def mistake(self, values: pl.Series) -> str:
        """They are names of classes; whole numbers are taken by their digits."""
        others = set(values.cast(pl.String).drop_nulls().unique()) - set(self.classes)
        if not others:
            return ""
        named = ", ".join(repr(name) for name in sorted(others)[:5])
        return (
            f"holds {named}, which label.classes does not name ({', '.join(self.classes)}): give "
            "the name of a class there, or null where there is no label"
        )

    def coded(self, values: pl.Series) -> pl.Series:
        """The codes of classes that are named; BadConfig if one is none."""
        wrong = self.mistake(values)
        if wrong:
            raise BadConfig(f"{values.name} {wrong}")
        return values.cast(pl.String).replace_strict(self._codes, return_dtype=self.label_type)

    def unseen(self, label: Floats) -> tuple[str, ...]:
        """Those whose code is not among the labels."""
        seen = set(np.unique(label).astype(int).tolist())
        return tuple(name for code, name in enumerate(self.classes) if code not in seen)

    def meant(self, label: float) -> float | str:
        """The name of the class."""
        return self.classes[int(label)]

    def finite(self, value: pl.Expr) -> pl.Expr:
        """No probability is NaN."""
        return value.list.eval(pl.element().is_finite()).list.all()

    def in_table(self, decision: Decisions) -> pl.Series:
        """The names of the classes."""
        names = dict(enumerate(self.classes))
        return pl.Series("decision", decision).replace_strict(names, return_dtype=pl.String)

    def of_table(self, decision: pl.Series) -> Decisions:
        """The codes of the names."""
        return decision.replace_strict(self._codes, return_dtype=pl.Int64).to_numpy()

    def flagged(self, wanted: bool | tuple[str, ...]) -> pl.Expr:
        """Those whose decided class is named."""
        return pl.col("decision").is_in(() if isinstance(wanted, bool) else wanted)

    def threshold(self, label: ArrayLike, value: ArrayLike, cost: AnyCost) -> Threshold:
        """The prices of the YAML."""
        return _prices(cost).prices(self.classes)

    def settled(self, threshold: Threshold, value: Floats, margin: float) -> Threshold:
        """As classes.settled."""
        return tuple(map(tuple, settle_prices(_given(threshold), value, margin).tolist()))

    def decide(self, value: Floats, threshold: Threshold) -> Decisions:
        """The code of the class of least expected cost; the first one of equals."""
        return np.asarray(np.argmin(value @ _given(threshold), axis=1), dtype=np.int64)

    def costs(self, label: Floats, decision: Decisions, cost: AnyCost) -> Floats:
        """The price of each decision on its true class."""
        prices = np.asarray(_prices(cost).prices(self.classes))
        return np.asarray(prices[class_codes(label), decision])

    def losses(self, subject: str, label: Floats, value: Floats) -> Floats:
        """-ln of the true class's probability; or squared errors, summed over the classes (G.
        Brier, "Verification of Forecasts Expressed in Terms of Probability", 1950).
        """
        true = class_codes(label)[:, None]
        said = np.take_along_axis(value, true, axis=1)[:, 0]
        if subject == "brier":
            return np.asarray(np.square(value).sum(axis=1) + 1 - 2 * said)
        return -np.log(np.clip(said, 1e-7, 1.0))

    def place(self, decision: Decisions) -> NDArray[np.int64]:
        """The decided class's."""
        return class_codes(decision)

    def stated(self, value: Floats, decision: Decisions) -> Floats:
        """The probability of the decided class."""
        return np.asarray(np.take_along_axis(value, class_codes(decision)[:, None], axis=1)[:, 0])

    def observed(self, label: Floats, decision: Decisions) -> Floats:
        """1 where the decided class is the true one, else 0."""
        return np.asarray(label == decision, dtype=np.float64)

    @property
    def scored(self) -> tuple[str, ...]:
        """One column a class."""
        return tuple(f"{SCORE_COLUMN}_{name}" for name in self.classes)

    def evaluate(
        self, label: ArrayLike, value: ArrayLike, threshold: Threshold, cost: AnyCost
    ) -> dict[str, float]:
        """calibration_gap: the decided class's mean probability minus the share decided right; ece
        over ten bins of it. macro_f1: over the classes that are true or decided somewhere; roc_auc:
        the mean of each class against the rest. A class's precision is 0 where it is never decided,
        its recall NaN where it is never true; `share_` is how often it is.
        """
        y, p = (np.asarray(of, dtype=np.float64) for of in (label, value))
        decision = self.decide(p, threshold)
        right, sure = self.observed(y, decision), self.stated(p, decision)
        return {
            "log_loss": float(self.losses("log_loss", y, p).mean()),
            "brier": float(self.losses("brier", y, p).mean()),
            "accuracy": float(right.mean()),
            "roc_auc": rank_classes(y, p),
            "calibration_gap": float(sure.mean() - right.mean()),
            "ece": calibration_error(calibration_table(right, sure)),
            "cost": float(self.costs(y, decision, cost).mean()),
            **class_metrics(self.classes, y, decision),
            "rows": float(len(y)),
        }

    def constant(self, metric: str, holdout: Mapping[str, float]) -> float | Floats:
        """How often each class is true; of accuracy all for the most frequent one."""
        shares = np.array([holdout[f"share_{name}"] for name in self.classes])
        return np.eye(len(shares))[shares.argmax()] if metric == "accuracy" else shares

    def comparable(self, label: Floats) -> bool:
        """Two classes are there."""
        return len(np.unique(label)) > 1

    def counted(self, label: Floats) -> tuple[str, str]:
        """Two classes are asked for; those that are there are counted."""
        return " of two classes or more", f" of {len(np.unique(label))} classes"

    def decides(self, threshold: Threshold) -> str:
        """By cost."""
        return f"names one of {', '.join(self.classes)}: the class of least expected cost"

    def decided(self, value: Sequence[float], decision: object) -> str:
        """The decision, and the probability of each class."""
        each = zip(self.classes, value, strict=True)
        return f"{decision} ({', '.join(f'{name} {p:.2f}' for name, p in each)})"

    def described(self, holdout: Mapping[str, float]) -> str:
        """How often each class is true."""
        return ", ".join(f"{holdout[f'share_{name}']:.1%} {name}" for name in self.classes)

    def weighs(self, cost: Mapping[str, Any]) -> str:
        """The wrong class, and what is priced otherwise."""
        prices = [
            f"{decided} for {true} as {price:g}"
            for true, of in cost["exceptions"].items()
            for decided, price in of.items()
        ]
        other = f", but {', '.join(prices)}" if prices else ""
        return (
            f"Its decisions weigh a wrong class as {cost['wrong']:g}{other}; who pays otherwise "
            "needs other decisions."
        )


def _given(threshold: Threshold) -> Floats:
    assert isinstance(threshold, tuple | list)  # a model of classes is never without prices
    return np.asarray(threshold, dtype=np.float64)


def _prices(cost: AnyCost) -> ClassCost:
    assert isinstance(cost, ClassCost)  # the use case's validator has seen to it
    return cost
