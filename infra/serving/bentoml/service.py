"""Service of BentoML: `bentoml serve service:Model`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bentoml
from bundle import BadRows, Bundle


@bentoml.service(workers=1)
class Model:
    """Predicts the rows of a request with the bundle beside this file."""

    def __init__(self) -> None:
        """Open the bundle."""
        self._bundle = Bundle(Path(__file__).parent)

    @bentoml.api(route="/predict")
    def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        """Predict rows; an invalid one is answered with status 400."""
        try:
            return self._bundle.answer({"instances": instances})
        except BadRows as invalid:
            raise bentoml.exceptions.InvalidArgument(str(invalid)) from invalid
