"""Feast objects of the flights: entities, a source and a view for each feature table, a service.

To change the inputs of the model, add a new service, delay_v2, beside the old one.
"""

from datetime import timedelta

from feast import FeatureService

from feature_repo.declare import FOREVER, text_key, view

carrier = text_key("carrier", "airline, two letters")
origin = text_key("origin", "airport of departure")
dest = text_key("dest", "airport of arrival")
tailnum = text_key("tailnum", "the plane's number")

airport_ops = view(
    "airport_ops",
    (origin,),
    timedelta(hours=2),
    numbers=("airport_delay_1h", "airport_delay_3h", "airport_delay_24h"),
    counts=("airport_overdue",),
)
carrier_ops = view(
    "carrier_ops",
    (carrier, origin),
    timedelta(hours=6),
    numbers=("carrier_delay_3h", "carrier_delay_24h"),
)
route_daily = view(
    "route_daily",
    (carrier, origin, dest),
    timedelta(days=3),
    numbers=("route_late_rate_7d", "route_late_rate_28d"),
)
tail_last = view("tail_last", (tailnum,), timedelta(days=2), numbers=("tail_delay",))
weather = view(
    "weather",
    (origin,),
    timedelta(hours=3),
    numbers=(
        "temperature", "dew_point", "humidity", "wind_direction", "wind_speed", "wind_gust",
        "precipitation", "pressure", "visibility",
    ),
)  # fmt: skip
planes = view("planes", (tailnum,), FOREVER, numbers=("plane_year", "plane_seats"))

delay_v1 = FeatureService(
    name="delay_v1",
    features=[airport_ops, carrier_ops, route_daily, tail_last, weather, planes],
    description="What is known two hours before a flight's scheduled departure",
)
