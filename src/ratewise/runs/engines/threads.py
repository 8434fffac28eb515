"""As many threads for PyTorch in a worker as in the driver: sums depend on how they are split."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

TORCH = "torch"


def threads() -> int | None:
    """Return how many threads PyTorch computes with here; None if it is not in use."""
    torch: Any = sys.modules.get(TORCH)
    return torch.get_num_threads() if torch is not None else None


def use_threads(count: int | None) -> None:
    """Let PyTorch compute with so many threads from its import on, whenever that is.

    A task that never imports it need not wait for it: that takes seconds.
    """
    torch: Any = sys.modules.get(TORCH)
    if count is None:
        return
    if torch is not None:
        torch.set_num_threads(count)
    else:
        sys.meta_path.insert(0, _Finder(count))


class _Finder(MetaPathFinder):
    """Finds PyTorch where it is, and sets its threads when it has been loaded."""

    def __init__(self, count: int) -> None:
        self.count = count

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != TORCH:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(TORCH)
        if spec is not None and spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Loader) -> None:
        load = loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            module.set_num_threads(self.count)

        loader.exec_module = exec_module
