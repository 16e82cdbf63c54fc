"""Feast's side of visits: entities, a source and a view per feature table, one service.

A view's ttl is how old its newest row may be before it tells nothing: say so where rows age. A
change of what the model sees is a new service, visits_v2, beside the old one.
"""

from feast import FeatureService

from feature_repo.declare import FOREVER, integer_key, time_key, view

person_key = integer_key("person")
begins_key = time_key("begins")

enrolments_view = view(
    "enrolments",
    (person_key, begins_key),
    FOREVER,
    numbers=(
        "deductible",
        "incentive",
        "income",
        "age",
        "education",
        "chronic",
        "limited",
        "mental_health",
        "health_index",
    ),
    counts=("coinsurance", "female", "family_size", "child"),
    texts=("site", "plan", "health"),
)

visits_v1 = FeatureService(name="visits_v1", features=[enrolments_view])
