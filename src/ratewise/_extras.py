"""Third parties that are not always there: asked for by name, missed with advice."""

from __future__ import annotations

import importlib
from typing import Any


class MissingExtra(ImportError):
    """A third party that is not installed; the message is the command that installs it.

    Args:
        module: What is missed, as `import` takes it.
        extra: The extra of ratewise that brings it.
    """

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed: run  pip install 'ratewise[{extra}]'")
        self.module, self.extra = module, extra

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.module, self.extra)


def require(module: str, *, extra: str) -> Any:
    """Return `module`, imported now.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise MissingExtra(module, extra) from error
