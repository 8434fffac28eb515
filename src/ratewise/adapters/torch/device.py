"""What is asked of a device, and what the graphs of a compiled step are not to see."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer

from ratewise.schedule.errors import speaking

WITH_CLOCKS = ("cuda", "xpu")
"""Devices that capture graphs; a rate that is a tensor there has its clock beside it, unasked."""


def can_count(device: torch.device) -> bool:
    """Tell whether a clock can be kept on a device: it can be read, and multiplies float64.

    `meta` holds nothing, and `mps` and some of `xpu` have no float64.
    """
    if device.type in ("cpu", "cuda", "meta", "mps"):
        return device.type in ("cpu", "cuda")
    try:
        return float(torch.ones((), dtype=torch.float64, device=device) * 2) == 2
    except (RuntimeError, TypeError):
        return False


def overflow(optimizer: Any) -> bool:
    """Tell whether the optimizer was told to skip this update; reads from the device."""
    found = optimizer.found_inf
    return found is not None and bool(torch.as_tensor(found).any())


def is_on_card(group: dict[str, Any]) -> bool:
    """Tell whether a group has parameters on a device that captures graphs."""
    return any(weight.device.type in WITH_CLOCKS for weight in group["params"])


def may_capture() -> bool:
    """Tell whether a process has used a device that captures graphs."""
    return torch.cuda.is_initialized() or torch.xpu.is_initialized()


def of_groups(groups: Sequence[dict[str, Any]]) -> torch.device | None:
    """Return the device of the first parameter, if there is one; others may be elsewhere."""
    weights = (weight for group in groups for weight in group["params"])
    return next((weight.device for weight in weights), None)


def is_captured() -> bool:
    """Tell whether what is done now is captured into a graph; the host waits for nothing."""
    return (torch.cuda.is_initialized() and torch.cuda.is_current_stream_capturing()) or (
        torch.xpu.is_initialized() and torch.xpu.is_current_stream_capturing()
    )


@functools.cache
def outside_graphs() -> Callable[[Any, Optimizer | None, bool], None]:
    """Return what a clock's hook does beyond the short way, kept out of compiled graphs.

    Traced, the count of updates would be a constant and each update a graph of its own.
    """

    def run(clock: Any, optimizer: Optimizer | None, prepare: bool) -> None:
        if optimizer is None:
            clock.commit()
        else:
            with speaking(clock.face):
                clock.before_plainly(optimizer)
            if prepare:
                clock.prepare()

    outside: Any = torch.compiler.disable(run)
    return outside
