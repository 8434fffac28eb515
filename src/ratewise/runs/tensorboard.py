"""Losses and rates for TensorBoard."""

from __future__ import annotations

import importlib
import os
import re
from typing import Any

import numpy as np

from ratewise.runs.records import Record


class Board:
    """Writes every run into a folder of its own, as it ends.

    Args:
        folder: What TensorBoard is pointed to.

    Raises:
        ImportError: neither tensorboard with PyTorch nor tensorboardX is installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = os.fspath(folder)
        self._writer = _writer()

    def show(self, record: Record) -> None:
        """Write the rates, losses and metrics of a run, by update."""
        name = re.sub(r"[^\w.%+-]+", "_", f"{record.name} {record.peak:g} seed {record.seed}")
        writer: Any = self._writer(os.path.join(self._folder, name))
        for t in np.flatnonzero(np.isfinite(record.losses)).tolist():
            writer.add_scalar("loss", float(record.losses[t]), t)
            writer.add_scalar("lr", float(record.rates[t]), t)
        for metric, value in record.metrics.items():
            writer.add_scalar(f"final/{metric}", value, len(record.rates))
        writer.close()


def _writer() -> Any:
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return importlib.import_module(module).SummaryWriter
        except ImportError:
            continue
    raise ImportError("tensorboard is not installed: run  pip install tensorboardX")
