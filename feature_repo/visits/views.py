"""Feast declarations of visits: entities, a view per feature table, and one service.

A view's ttl is the greatest age of a row that is still used; FOREVER sets no limit. Replace it
where rows age. If the model's inputs change, add a service visits_v2 beside this one.
"""

from feast import FeatureService

from feature_repo.declare import FOREVER, integer_key, time_key, view

person_entity = integer_key("person")
begins_entity = time_key("begins")

enrolments_view = view(
    "enrolments",
    (
        person_entity,
        begins_entity,
    ),
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
    counts=(
        "coinsurance",
        "female",
        "family_size",
        "child",
    ),
    texts=(
        "site",
        "plan",
        "health",
    ),
)

visits_v1 = FeatureService(
    name="visits_v1",
    features=[
        enrolments_view,
    ],
)
