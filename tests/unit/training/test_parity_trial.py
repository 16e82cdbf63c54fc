"""A candidate that cannot be fitted, or whose file differs, is refused before any training."""

import pytest

from configs.errors import BadConfig
from configs.schema.loading import load_use_case
from configs.schema.training import Candidate
from tasks.checks.use_case import _check_candidates
from tasks.training.parity_trial import try_candidate

FLIGHTS, VISITS = load_use_case("flights"), load_use_case("visits")
MODELS = {
    "logistic": {"estimator": "sklearn.linear_model.LogisticRegression", "encoding": "one_hot"},
    "lightgbm": {"estimator": "lightgbm.LGBMClassifier", "params": {"n_estimators": 20}},
}


def of(use_case, **fields):
    candidate = Candidate.model_validate(fields)
    return use_case.model_copy(update={"candidates": {"mine": candidate}})


@pytest.mark.parametrize(
    "fields",
    [
        MODELS["logistic"],
        MODELS["lightgbm"],
        {**MODELS["lightgbm"], "encoding": "one_hot"},
        {
            **MODELS["logistic"],
            "numeric": ["sklearn.impute.SimpleImputer", "sklearn.preprocessing.RobustScaler"],
        },
        {
            "estimator": "sklearn.ensemble.ExtraTreesClassifier",
            "numeric": ["sklearn.impute.SimpleImputer"],
            "params": {"n_estimators": 10},
        },
    ],
)  # fmt: skip
def test_a_candidate_with_parity_passes(fields):
    assert try_candidate(of(FLIGHTS, **fields), "mine") < 1e-6


def test_a_regressor_passes():
    assert try_candidate(of(VISITS, estimator="lightgbm.LGBMRegressor"), "mine") < 1e-6


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"estimator": "sklearn.tree.DecisionTreeClassifier"}, "differs by up to 1; .*one_hot"),
        ({"estimator": "sklearn.linear_model.LogisticRegression"}, "contains NaN.*SimpleImputer"),
        ({"estimator": "sklearn.dummy.DummyClassifier"}, "no converter to ONNX"),
        (
            {"estimator": "lightgbm.LGBMClassifier", "params": {"zero_as_missing": True}},
            "differs by up to",
        ),
        ({"estimator": "lightgbm.LGBMClassifier", "params": {"sigmoid": 2.0}}, "differs by up to"),
        ({"estimator": "lightgbm.LGBMRegressor"}, "does not support the problem type binary"),
        ({"estimator": "lightgbm.Nothing"}, "not found"),
        (
            {**MODELS["logistic"], "numeric": [{"transformer": "sklearn.preprocessing.Nothing"}]},
            r"numeric\.0\.transformer",
        ),
        (
            {
                **MODELS["logistic"],
                "numeric": [
                    {"transformer": "sklearn.preprocessing.RobustScaler", "params": {"no": 1}}
                ],
            },
            r"numeric\.0\.params",
        ),
    ],
)
def test_check_refuses_a_candidate_that_would_fail_at_export(fields, words):
    case = of(FLIGHTS, **fields)
    with pytest.raises(BadConfig, match=words):
        try_candidate(case, "mine")


def test_each_candidate_gets_a_finding():
    both = {**of(FLIGHTS, estimator="sklearn.dummy.DummyClassifier").candidates}
    both["lgbm"] = Candidate.model_validate(MODELS["lightgbm"])
    found = list(_check_candidates(FLIGHTS.model_copy(update={"candidates": both})))
    assert [each.verdict for each in found] == ["wrong", "ok"]


def test_a_library_that_is_not_installed_names_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(BadConfig, match=r"pip install 'mainspring\[learners\]'"):
        try_candidate(of(FLIGHTS, estimator="lightgbm.LGBMClassifier"), "mine")


@pytest.mark.parametrize(
    "wrong",
    [
        {"estimator": "os.system"},
        {"estimator": "lightgbm"},
        {**MODELS["logistic"], "numeric": ["os.path"]},
        {**MODELS["logistic"], "numeric": ["sklearn.preprocessing.QuantileTransformer"]},
    ],
)
def test_the_schema_refuses(wrong):
    with pytest.raises(ValueError, match=r"estimator|numeric"):
        Candidate.model_validate(wrong)
