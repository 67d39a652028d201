"""The service of the guide, in this process."""

import importlib.util
import os
import sys
from pathlib import Path


def open_service(folder):
    """Load the service over a model in a folder; it keeps cookies."""
    environment = {"EMBREC_MODEL": str(folder / "model"), "INSECURE_COOKIES": "1", "REDIS_URL": ""}
    os.environ |= environment | {
        "SECRET_KEY": "signs the cookies",
        "SHOP_KEY": "opens the backdoor",
    }
    path = Path(__file__).parents[2] / "docs" / "examples" / "service.py"
    spec = importlib.util.spec_from_file_location("service", path)
    service = importlib.util.module_from_spec(spec)
    sys.modules["service"] = service
    spec.loader.exec_module(service)
    service.log.disabled = True
    return service
