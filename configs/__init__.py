"""Settings, errors, the schema of use cases, and environment variables of libraries.

Libraries read these variables when they are imported. A value that is already set is kept.
"""

import os
from pathlib import Path

LIBRARIES = {
    "OMP_WAIT_POLICY": "PASSIVE",  # idle OpenMP threads must not spin: boosting is 4 times faster
    "DO_NOT_TRACK": "true",  # nothing calls home
    "GX_ANALYTICS_ENABLED": "false",
    "ORT_DISABLE_TELEMETRY": "1",  # else ONNX Runtime sends events, from a thread of its own
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # models are ONNX and nothing else
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
for _name, _value in LIBRARIES.items():
    os.environ.setdefault(_name, _value)
# A user id without passwd entry (OpenShift) has no home folder, or `/`; libraries write to theirs.
if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - pathlib raises without a home
    os.environ["HOME"] = os.path.abspath(  # noqa: PTH100
        os.environ.get("MAINSPRING_STATE") or Path(__file__).parent.parent / ".mainspring"
    )
