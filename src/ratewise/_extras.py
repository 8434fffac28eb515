"""Third parties that are not always there: asked for by name, missed with advice."""

from __future__ import annotations

import importlib
from typing import Any


def require(module: str, *, extra: str) -> Any:
    """Return `module`, imported now.

    Raises:
        ImportError: it is not installed; the message is the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise ImportError(
            f"{module} is not installed: run  pip install 'ratewise[{extra}]'"
        ) from error
