"""moto's server, with the change of an endpoint's configuration, which moto 5.1 lacks."""

from __future__ import annotations

import sys
from typing import Any

from moto.sagemaker.responses import SageMakerResponse
from moto.server import main


def update_endpoint(self: Any) -> Any:
    """Put another endpoint of the same name, as the service does when it has switched."""
    return self.create_endpoint()


if __name__ == "__main__":
    SageMakerResponse.update_endpoint = update_endpoint
    sys.exit(main())
