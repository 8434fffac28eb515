"""Names that were had before: still there, with a warning."""

from __future__ import annotations

import warnings
from typing import Any


def renamed(name: str, renamings: dict[str, Any], module: str) -> Any:
    """Return what a module has under an old name, and say to who asks what it is called now.

    To be called from the module's `__getattr__`.

    Raises:
        AttributeError: the module never had that name.
    """
    if name not in renamings:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    value = renamings[name]
    told = f"{module}.{name} is now {value.__name__}"
    warnings.warn(told, DeprecationWarning, stacklevel=3)
    return value
