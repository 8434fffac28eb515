"""Which clock an optimizer gets: on the host, or on the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch import device as _device
from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.device_clock import DeviceClock
from ratewise.adapters.torch.groups import Member
from ratewise.adapters.torch.hands import held
from ratewise.adapters.torch.refusals import check_takes_tensors, refuse_device, refuse_function
from ratewise.adapters.torch.source import Source
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten


def make_clock(
    on_device: bool | None,
    source: Source,
    policies: tuple[str | None, str],
    members: list[Member],
    optimizer: Optimizer,
) -> Clock:
    """Return the clock for an optimizer's groups, on the host or on the device.

    Raises:
        ScheduleError: it was asked for on the device, and cannot be there.
    """
    asked = _is_asked_for(on_device, source, members, optimizer)
    clock = (DeviceClock if asked else Clock)(source, *policies)
    clock.members = members
    return clock


def revived_clock(
    source: Source, policy: str | None, by_hand: str, on_device: bool = False
) -> Clock:
    """Return the clock of a scheduler that was pickled or copied; old ones were on the host."""
    return (DeviceClock if on_device else Clock)(source, policy, by_hand)


def _is_asked_for(
    on_device: bool | None, source: Source, members: Sequence[Member], optimizer: Optimizer
) -> bool:
    """Tell whether a schedule is to have its clock on the device.

    Left open, it is where every value is a tensor on an accelerator already.

    Raises:
        ScheduleError: it was asked for, and cannot be.
    """
    if on_device is not None and not isinstance(on_device, bool):
        rule, fix = "is no switch", "give True, and the clock is where the parameters are, or False"
        raise ScheduleError(f"Scheduler(on_device={shorten(on_device)})", rule, fix)
    device = _device.of_groups(optimizer.param_groups) or torch.device("cpu")
    if on_device is None:
        cells = [(m, key, *place) for m in members for key, place in m.places.items()]
        there = [isinstance(v, Tensor) and v.device == device for v in held(cells)]
        known = all(there) and source.form is not None
        return known and device.type in _device.WITH_CLOCKS and _device.can_count(device)
    if on_device and not _device.can_count(device):
        raise refuse_device(device)
    if on_device and source.is_open_function:
        raise refuse_function()
    if on_device:
        check_takes_tensors(members, optimizer)
    return on_device
