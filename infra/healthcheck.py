"""`python -m infra.healthcheck URL`: exit code 0 if an address answers well, else 1 and why.

For the health checks of containers, whose image has neither curl nor wget.
"""

from __future__ import annotations

import sys
import urllib.request


def main(url: str, seconds: float = 4.0) -> int:
    """0 if the address answers with 2xx in time; else 1, and the reason is printed."""
    try:
        with urllib.request.urlopen(url, timeout=seconds):
            return 0
    except OSError as refused:  # every error of urllib is one, an answer of 4xx and 5xx too
        print(f"{url}: {refused}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
