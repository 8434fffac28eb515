"""What loops and trackers write beside an update, as with a scheduler of PyTorch there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler
from tests.events import scalars

TOTAL = 12


def levels(plan: Any) -> list[float]:
    return [*plan.resolve(total=TOTAL).values().tolist(), plan.resolve(total=TOTAL).end]


def native(optimizer: Any, plan: Any) -> Any:
    """PyTorch's scheduler of the same levels."""
    table = levels(plan)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: table[t])


def ours(optimizer: Any, plan: Any) -> Any:
    return Scheduler(optimizer, plan, total=TOTAL)


def held(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


def loop(tools: Any, make: Any, window: int, calls: int, lr: Any, **options: Any) -> dict[str, Any]:
    """Train; return what the groups held at three places of every batch, and what was used."""
    optimizer = tools.make(lr(), groups=3, **options)
    scheduler = make(optimizer, tools.plan)
    seen: dict[str, Any] = {"start": [], "behind the update": [], "behind the step": [], "last": []}
    for batch in range(1, TOTAL * window + 1):
        seen["start"].append(held(optimizer))
        if batch % window:
            continue
        optimizer.step()
        seen["behind the update"].append(held(optimizer))
        for _ in range(calls):
            scheduler.step()
        seen["behind the step"].append(held(optimizer))
        seen["last"].append([float(rate) for rate in scheduler.get_last_lr()])
    return {**seen, "used": optimizer.used}


RATES = {"float": lambda: 3e-4, "tensor": lambda: torch.tensor(3e-4, dtype=torch.float64)}


@pytest.mark.parametrize("lr", RATES.values(), ids=RATES)
@pytest.mark.parametrize("window", [1, 4])
def test_a_loop_that_steps_finds_what_it_finds_with_torch(tools: Any, window: int, lr: Any) -> None:
    """In all groups, at the start of a batch, behind the update and behind `scheduler.step()`.

    `get_last_lr()` is the rate of the update that was made, where PyTorch's is the next one.
    """
    kind = {"kind": tools.recording(torch.optim.Adam), "foreach": False}
    mine, theirs = (loop(tools, one, window, 1, lr, **kind) for one in (ours, native))
    assert mine["used"] == theirs["used"]
    for place in ("start", "behind the update", "behind the step"):
        assert mine[place] == theirs[place]
    assert mine["last"] == mine["used"]
    assert theirs["last"] == theirs["behind the step"] != theirs["used"]


def test_a_step_that_comes_several_times_is_one(tools: Any) -> None:
    """As a trainer of several processes calls it; and before the update, as some loops do."""
    once, often = (loop(tools, ours, 1, calls, lambda: 3e-4) for calls in (1, 8))
    assert once == often
    optimizer = tools.make(groups=2)
    scheduler = ours(optimizer, tools.plan)
    for _ in range(TOTAL):
        scheduler.step()
        coming = held(optimizer)
        optimizer.step()
        assert held(optimizer) == optimizer.used[-1] == coming == scheduler.get_last_lr()


def test_a_loop_that_never_steps_finds_what_was_used(tools: Any) -> None:
    """Until the next update the groups hold the rate of the last; before the first, its own."""
    seen = loop(tools, ours, 1, 0, lambda: 3e-4)
    assert seen["start"] == [seen["used"][0], *seen["used"][:-1]]
    assert seen["last"] == seen["behind the update"] == seen["used"]


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first"])
def test_a_loop_that_is_resumed_finds_what_it_had(tools: Any, order: str) -> None:
    """What the groups held when they were saved they hold again, with PyTorch and with us."""
    found = {}
    for kind in (ours, native):
        optimizer = tools.make(groups=2)
        scheduler = kind(optimizer, tools.plan)
        for _ in range(5):
            optimizer.step()
            scheduler.step()
        before = held(optimizer)
        again = tools.make(groups=2)
        parts = [(again, 0), (kind(again, tools.plan), 1)]
        saved = tools.saved(optimizer, scheduler)
        for part, i in parts if order == "optimizer first" else parts[::-1]:
            part.load_state_dict(saved[i])
        found[kind] = before, held(again)
        again.step()
        assert again.used == [before]
    assert found[ours] == found[native]
    assert found[ours][0] == found[ours][1]


def test_what_is_measured_behind_the_step_counts_for_the_coming_rate(tools: Any) -> None:
    """An observation between `step()` and the next batch changes what the groups hold at once."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, rw.Plateau("loss", patience=0, factor=0.5))
    for loss in (1.0, 1.0, 1.0):
        optimizer.step()
        scheduler.step()
        scheduler.observe(loss=loss)
        coming = held(optimizer)
        assert coming == scheduler.get_lr()
    optimizer.step()
    assert optimizer.used[-1] == coming == [3e-4 / 4]


def test_a_function_is_not_asked_beyond_its_end(tools: Any) -> None:
    """Of a function without a length nobody knows the last update: it is asked when one is due."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, rw.Function([1.0, 0.5, 0.25].__getitem__))
    for _ in range(3):
        optimizer.step()
        scheduler.step()
    assert tools.trace(optimizer) == [3e-4, 1.5e-4, 0.75e-4]


def test_a_loop_that_writes_for_tensorboard(tools: Any, tmp_path: Path) -> None:
    """`get_last_lr()`, wherever it is written, and what the groups hold before `step()`."""
    tensorboard = pytest.importorskip("tensorboardX")
    optimizer = tools.make(groups=2)
    scheduler = ours(optimizer, tools.plan)
    with tensorboard.SummaryWriter(str(tmp_path)) as writer:
        for k in range(TOTAL):
            optimizer.step()
            writer.add_scalar("group", held(optimizer)[1], k)
            scheduler.step()
            for i, rate in enumerate(scheduler.get_last_lr()):
                writer.add_scalar(f"lr/{i}", rate, k)
    written = scalars(tmp_path)
    for tag, group in (("lr/0", 0), ("lr/1", 1), ("group", 1)):
        wanted = torch.tensor(tools.trace(optimizer, group), dtype=torch.float32).tolist()
        assert written[tag] == list(enumerate(wanted))


@pytest.mark.parametrize("window", [1, 3])
@pytest.mark.parametrize("processes", [1, 4])
def test_trackers_of_accelerate_get_the_rate_of_the_update(
    tools: Any, window: int, processes: int, tmp_path: Path
) -> None:
    """In a loop as its examples have it, the log behind `step()`: every group, every update."""
    accelerate = pytest.importorskip("accelerate")
    pytest.importorskip("tensorboardX")
    from accelerate.tracking import GeneralTracker

    class Lines(GeneralTracker):
        """Writes one line of JSON for each log."""

        name, requires_logging_directory, tracker = "lines", False, None

        def log(self, values: dict[str, Any], step: int | None = None, **rest: Any) -> None:
            with (tmp_path / "log.jsonl").open("a") as file:
                file.write(json.dumps({"step": step, **values}) + "\n")

    accelerator = accelerate.Accelerator(
        cpu=True,
        gradient_accumulation_steps=window,
        log_with=["tensorboard", Lines()],
        project_dir=str(tmp_path),
    )
    accelerator.init_trackers("run")
    model = torch.nn.Linear(2, 1)
    groups: Any = [{"params": [model.weight], "lr": 3e-4}, {"params": [model.bias], "lr": 1e-4}]
    inner = tools.recording(torch.optim.AdamW)(groups)
    data = torch.utils.data.DataLoader(torch.ones(TOTAL * window, 2))
    parts = model, inner, data, ours(inner, tools.plan)
    model, optimizer, data, scheduler = accelerator.prepare(*parts)
    update, start = 0, []
    for batch in data:
        with accelerator.accumulate(model):
            start.append(held(optimizer))
            accelerator.backward(model(batch).sum())
            optimizer.step()
            for _ in range(processes):
                scheduler.step()
            optimizer.zero_grad()
        if accelerator.sync_gradients:
            rates = {f"lr/{i}": rate for i, rate in enumerate(scheduler.get_last_lr())}
            accelerator.log(rates, step=update)
            update += 1
    accelerator.end_training()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [[row["lr/0"], row["lr/1"]] for row in rows] == inner.used
    assert start == [used for used in inner.used for _ in range(window)]
    assert [row["step"] for row in rows] == list(range(TOTAL))
    for i in range(2):
        wanted = torch.tensor(tools.trace(inner, i), dtype=torch.float32).tolist()
        assert scalars(tmp_path / "run")[f"lr/{i}"] == list(enumerate(wanted))
