"""Feast's side of the flights: entities, a source and a view per feature table, one service.

A view's ttl is how old the newest row may be before it tells nothing (timedelta(0): never too
old). A change of what the model sees is a new service, delay_v2, beside the old one.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Float64, Int64, String

from feature_repo.delta import DeltaSource

carrier = Entity(name="carrier", value_type=ValueType.STRING, description="airline, two letters")
origin = Entity(name="origin", value_type=ValueType.STRING, description="airport of departure")
dest = Entity(name="dest", value_type=ValueType.STRING, description="airport of arrival")
tailnum = Entity(name="tailnum", value_type=ValueType.STRING, description="the plane's number")


def _view(
    name: str,
    keys: tuple[Entity, ...],
    ttl: timedelta,
    *,
    numbers: tuple[str, ...] = (),
    counts: tuple[str, ...] = (),
) -> FeatureView:
    """The view of the feature table `features/<name>`."""
    return FeatureView(
        name=name,
        entities=list(keys),
        ttl=ttl,
        schema=[
            *(Field(name=key.name, dtype=String) for key in keys),
            *(Field(name=number, dtype=Float64) for number in numbers),
            *(Field(name=count, dtype=Int64) for count in counts),
        ],
        source=DeltaSource(name=name, table=f"features/{name}"),
    )


airport_ops = _view(
    "airport_ops",
    (origin,),
    timedelta(hours=2),
    numbers=("airport_delay_1h", "airport_delay_3h", "airport_delay_24h"),
    counts=("airport_overdue",),
)
carrier_ops = _view(
    "carrier_ops",
    (carrier, origin),
    timedelta(hours=6),
    numbers=("carrier_delay_3h", "carrier_delay_24h"),
)
route_daily = _view(
    "route_daily",
    (carrier, origin, dest),
    timedelta(days=3),
    numbers=("route_late_rate_7d", "route_late_rate_28d"),
)
tail_last = _view("tail_last", (tailnum,), timedelta(days=2), numbers=("tail_delay",))
weather = _view(
    "weather",
    (origin,),
    timedelta(hours=3),
    numbers=(
        "temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust",
        "precipitation", "pressure", "visibility",
    ),
)  # fmt: skip
planes = _view("planes", (tailnum,), timedelta(0), numbers=("plane_year", "plane_seats"))

delay_v1 = FeatureService(
    name="delay_v1",
    features=[airport_ops, carrier_ops, route_daily, tail_last, weather, planes],
    description="What is known two hours before a flight's scheduled departure",
)
