"""Every operation of a step with the clock on a card stays on the card.

There is no card: `meta` stands for it, where tensors hold nothing that could be read.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import ratewise as rw
from ratewise.adapters.torch import device
from ratewise.adapters.torch.scheduler import announce, recall
from ratewise.adapters.torch.table import RateTable
from ratewise.torch import Scheduler
from tests.torch.device_twin import READS, Plain

CARD, TOTAL = torch.device("meta"), 20
FALL = rw.Warmup(4) >> rw.Linear(to=0)
pytestmark = pytest.mark.filterwarnings("ignore:Scheduler.on_device=True.*:UserWarning")


class OnCard(TorchDispatchMode):
    """Raises where an operation reads a tensor, or takes or gives one that is not on the card."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[str, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        out = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        assert name not in READS, f"the host read a tensor: {name}"
        assert all(x.device == CARD for x in tensors), f"not on the card alone: {name}"
        self.shapes.append((name, [tuple(x.shape) for x in tensors]))
        return out


def unread(table: RateTable) -> tuple[int, bool, bool]:
    return 0, False, False


def refuse(table: RateTable) -> tuple[int, bool, bool]:
    raise AssertionError("the host asked for the count")


def hooks_alone(optimizer: Any) -> None:
    """What a step does beside the step, which is the optimizer's own."""
    for hook in list(optimizer._optimizer_step_pre_hooks.values()):
        hook(optimizer, (), {})
    for hook in list(optimizer._optimizer_step_post_hooks.values()):
        hook(optimizer, (), {})


@pytest.mark.parametrize(("groups", "schedules"), [(1, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize("heard", [True, False])
@pytest.mark.parametrize("found", [None, (), (1,)])
def test_a_step_stays_on_the_card(
    monkeypatch: pytest.MonkeyPatch,
    groups: int,
    schedules: int,
    heard: bool,
    found: Any,
) -> None:
    """Overflows, announced and recalled rates; the shapes never change.

    A step that is not heard, as behind a capture, looks for rates set by hand as well.
    """
    another = {"1": rw.Plan(lr=rw.Hold())} if schedules > 1 else {}
    plan = rw.Plan(lr=FALL, groups=another, peak={"lr": 0.1})
    monkeypatch.setattr(device, "can_count", lambda _: True)
    monkeypatch.setattr(RateTable, "read", unread)
    parts = [{"params": [torch.nn.Parameter(torch.ones(2, device=CARD))]} for _ in range(groups)]
    optimizer = Plain(parts, lr=0.1)
    scheduler = Scheduler(optimizer, plan, total=TOTAL, on_device=True)
    scheduler._clock._unseen = not heard  # type: ignore[attr-defined]
    if found is not None:
        optimizer.found_inf = torch.zeros(found, device=CARD)
    monkeypatch.setattr(RateTable, "read", refuse)
    seen: list[Any] = []
    for _ in range(3):
        with OnCard() as mode:
            hooks_alone(optimizer)
            scheduler.step()
            recall(scheduler)
            announce(scheduler)
            hooks_alone(optimizer)
        seen.append(mode.shapes)
    assert len(seen[0]) > 10
    assert seen[1] == seen[2]
