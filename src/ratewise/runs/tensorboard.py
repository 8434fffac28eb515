"""Losses and rates for TensorBoard."""

from __future__ import annotations

import importlib
import os
import re
from contextlib import closing
from typing import Any

import numpy as np

from ratewise._printable import file_name
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
        writer: Any = self._writer(os.path.join(self._folder, _folder(record)))
        with closing(writer):
            for t in np.flatnonzero(np.isfinite(record.losses)).tolist():
                writer.add_scalar("loss", float(record.losses[t]), t)
                writer.add_scalar("lr", float(record.rates[t]), t)
            for metric, value in record.metrics.items():
                writer.add_scalar(f"final/{_tag(metric)}", value, len(record.rates))


def _folder(record: Record) -> str:
    """Return the name of the folder of a run; no two runs share one."""
    short = f"{record.peak:g}"
    peak = short if float(short) == record.peak else repr(record.peak)
    return f"{file_name(record.name)}_{peak}_seed_{record.seed}"


def _tag(metric: str) -> str:
    """Return the tag of a metric: its name, where every writer takes that as it is."""
    return metric if re.fullmatch(r"\w[\w./-]*", metric, re.ASCII) else file_name(metric)


def _writer() -> Any:
    for module in ("torch.utils.tensorboard", "tensorboardX"):
        try:
            return importlib.import_module(module).SummaryWriter
        except ImportError:
            continue
    raise ImportError("tensorboard is not installed: run  pip install tensorboardX")
