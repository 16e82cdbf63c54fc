"""Health check of a URL: `python -m infra.healthcheck URL` exits with 0 for a 2xx response, else 1.

For health checks of containers, whose image has neither curl nor wget.
"""

from __future__ import annotations

import sys
import urllib.request


def main(url: str, seconds: float = 4.0) -> int:
    """Return 0 if the URL responds with 2xx in time; else print the reason and return 1."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return 0
    except OSError as error:  # every error of urllib is one, a response of 4xx and 5xx too
        print(f"{url}: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
