"""What the schedulers of Transformers do, asked of Transformers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.reading import read

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import TrainingArguments, get_scheduler  # noqa: E402


def plan_of(source: Any, **horizon: Any) -> rw.Plan:
    """What the format makes of a source."""
    return read(source, format="transformers", **horizon)


def arguments(**given: Any) -> TrainingArguments:
    """Training arguments as a user would write them."""
    return TrainingArguments(output_dir="unused", report_to="none", use_cpu=True, **given)


def scheduler(args: TrainingArguments, total: int, lr: float | None = None) -> Any:
    """The scheduler that the Trainer builds from its arguments for a run of `total` updates."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=args.learning_rate if lr is None else lr)
    return get_scheduler(
        args.lr_scheduler_type,
        optimizer,
        args.get_warmup_steps(total),
        total,
        args.lr_scheduler_kwargs,
    )


def trace(built: Any, n: int) -> np.ndarray:
    """The rates of `n` updates, stepping a scheduler after each."""
    used = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n):
            used.append(built.optimizer.param_groups[0]["lr"])
            built.step()
    return np.array(used, dtype=float)
