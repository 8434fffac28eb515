"""How every run in PyTorch measures, and brings its losses home."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import to_eval, to_train
from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import Losses
from ratewise.tasks.random_stream import METRIC, derived
from ratewise.tasks.torch.random_stream import TorchRandomStream

torch = require("torch", extra="torch")


@contextmanager
def measuring(
    model: Any, optimizer: Any, own: TorchRandomStream, seed: int, back: Callable[[], None]
) -> Generator[None]:
    """Evaluate: in evaluation mode, without gradients, with random numbers that no update sees.

    Args:
        model: What is put into evaluation mode.
        optimizer: Its optimizer, which may have modes, too.
        own: The random numbers of the run, which are afterwards as they were.
        seed: Seed of the run.
        back: Puts the model back to the bit, and whatever else a metric may change.
    """
    state = own.state
    try:
        with own, TorchRandomStream(derived(seed, METRIC)), torch.no_grad():
            model.eval()
            to_eval(optimizer)
            yield
    finally:
        to_train(optimizer)
        back()
        own.state = state


def check_loss(who: str, loss: Any) -> None:
    """Refuse what is no loss to go backward from; what it is worth may stay on the device."""
    fix = "return the loss of the batch: one real number, computed with the model"
    if not isinstance(loss, torch.Tensor):
        raise ScheduleError(who, "returned no tensor", fix, given=loss)
    if loss.numel() != 1 or loss.is_complex():
        kind = "complex numbers" if loss.is_complex() else f"{loss.numel()} numbers"
        raise ScheduleError(who, f"returned {kind}, of shape {tuple(loss.shape)}", fix)
    if not loss.requires_grad:
        raise ScheduleError(who, "returned a loss without a gradient", fix)


def on_host(losses: list[Any]) -> Losses:
    """Return losses that were left on the device, so that no update had to wait for them."""
    if not losses:
        return np.empty(0)
    return np.asarray(torch.stack(losses).to(torch.float64).cpu().numpy())
