"""Plain PyTorch loops around a tiny model, right and with mistakes really made in them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import lr_scheduler as schedulers

FORMATS = ("{!r}", "{:.6g}", "{:.4e}", "{:.9f}", "events")
"""How the rate is written: as Python does, rounded, with a number of decimals, or as float32."""


@dataclass
class Writer:
    """A log of the rates of a run, in CSV or in an event file of TensorBoard."""

    folder: Path
    form: str
    names: tuple[str, ...] = ("lr",)
    rows: list[tuple[int, list[float], float]] = field(default_factory=list)

    def write(self, step: int, rates: list[float], loss: float) -> None:
        self.rows.append((step, rates, loss))

    def close(self) -> Path:
        """Write it, and return where it is."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.form == "events":
            return self._events()
        lines = [",".join(["step", *self.names, "loss"])]
        for step, rates, loss in self.rows:
            lines.append(
                ",".join([str(step), *(self.form.format(r) for r in rates), f"{loss:.4f}"])
            )
        path = self.folder / "log.csv"
        path.write_text("\n".join(lines) + "\n")
        return path

    def _events(self) -> Path:
        from tensorboardX import SummaryWriter

        with SummaryWriter(str(self.folder), write_to_disk=True) as writer:
            for step, rates, loss in self.rows:
                for name, rate in zip(self.names, rates, strict=True):
                    writer.add_scalar(f"train/{name}", rate, step)
                writer.add_scalar("train/loss", loss, step)
        return self.folder


@dataclass(frozen=True)
class Recipe:
    """What a script does: a family of schedules, its numbers, and how it logs.

    Args:
        family: Name in `FAMILIES`.
        total: Updates of the run.
        warmup: Updates of the warm-up.
        floor: Floor as a share of the peak.
        lr: Peak.
    """

    family: str
    total: int
    warmup: int
    floor: float
    lr: float

    @property
    def plan(self) -> str:
        return FAMILIES[self.family][0](self)

    def scheduler(self, optimizer: Any, **change: Any) -> Any:
        """The schedule of the family as a script makes it, perhaps from wrong numbers."""
        numbers = {"total": self.total, "warmup": self.warmup, "floor": self.floor, **change}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return FAMILIES[self.family][1](optimizer, self.lr, **numbers)


def _cosine(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    def level(t: int) -> float:
        if t < warmup:
            return t / warmup
        progress = min((t - warmup) / max(total - warmup, 1), 1.0)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return schedulers.LambdaLR(optimizer, level)


def _linear(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    def level(t: int) -> float:
        if t < warmup:
            return t / warmup
        return max(0.0, (total - t) / max(total - warmup, 1))

    return schedulers.LambdaLR(optimizer, level)


def _wsd(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    cool = total // 5

    def level(t: int) -> float:
        if t < warmup:
            return t / warmup
        if t < total - cool:
            return 1.0
        return floor + (1 - floor) * max(0.0, (total - t) / cool)

    return schedulers.LambdaLR(optimizer, level)


def _joined(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    climb = schedulers.LinearLR(optimizer, start_factor=0.05, total_iters=warmup)
    decay = schedulers.CosineAnnealingLR(optimizer, T_max=total - warmup, eta_min=floor * lr)
    return schedulers.SequentialLR(optimizer, [climb, decay], milestones=[warmup])


def _product(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    """A warm-up that is a factor on a decay from the first update: chained, or a product."""
    if not floor:
        climb = schedulers.LinearLR(optimizer, start_factor=0.05, total_iters=warmup)
        decay = schedulers.CosineAnnealingLR(optimizer, T_max=total)
        return schedulers.ChainedScheduler([climb, decay])

    def level(t: int) -> float:
        ramp = 0.05 + 0.95 * min(t / warmup, 1.0)
        progress = min(t / total, 1.0)
        return ramp * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))

    return schedulers.LambdaLR(optimizer, level)


def _annealed(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    return schedulers.CosineAnnealingLR(optimizer, T_max=total, eta_min=floor * lr)


def _polynomial(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    return schedulers.PolynomialLR(optimizer, total_iters=total, power=2.0)


def _stairs(optimizer: Any, lr: float, total: int, warmup: int, floor: float) -> Any:
    at = [total // 2, total * 3 // 4]
    return schedulers.MultiStepLR(optimizer, milestones=at, gamma=0.1)


Family = tuple[Callable[[Recipe], str], Callable[..., Any]]

FAMILIES: dict[str, Family] = {
    "cosine": (lambda r: f"Warmup({r.warmup}, start=0) >> Cosine(to={r.floor!r})", _cosine),
    "linear": (lambda r: f"Warmup({r.warmup}, start=0) >> Linear(to=0)", _linear),
    "wsd": (
        lambda r: (
            f"Warmup({r.warmup}, start=0) >> Hold() >> Linear(to={r.floor!r}, over={r.total // 5})"
        ),
        _wsd,
    ),
    "joined": (lambda r: f"Warmup({r.warmup}, start=0.05) >> Cosine(to={r.floor!r})", _joined),
    "product": (lambda r: f"Warmup({r.warmup}, start=0.05) * Cosine(to={r.floor!r})", _product),
    "annealed": (lambda r: f"Cosine(to={r.floor!r})", _annealed),
    "polynomial": (lambda r: "Polynomial(to=0, power=2)", _polynomial),
    "stairs": (
        lambda r: f"Step(at=({r.total // 2}, {r.total * 3 // 4}), factor=0.1)",
        _stairs,
    ),
}
WARMED = ("cosine", "linear", "wsd", "joined", "product")


def model_and_optimizer(lr: float, groups: tuple[float, ...] = ()) -> tuple[Any, Any]:
    """A layer and its optimizer; with several rates, a group for each."""
    layers = [torch.nn.Linear(2, 1) for _ in groups or (lr,)]
    parts = [{"params": layer.parameters(), "lr": rate}
             for layer, rate in zip(layers, groups or (lr,), strict=True)]  # fmt: skip
    return torch.nn.ModuleList(layers), torch.optim.SGD(parts, lr=lr)


INPUT = torch.tensor([[0.5, -0.25]])


def backward(model: Any) -> float:
    loss: Any = sum(layer(INPUT).square().sum() for layer in model)
    loss.backward()
    return float(loss)


@dataclass
class Loop:
    """One script's loop over updates.

    Args:
        writer: Its log.
        interval: Updates between two rows.
        used: Whether the rate that was used is logged, else that of the next update.
        base: What the counter begins at, 0 or 1.
        early: Whether the schedule is stepped before the optimizer.
        batches: Batches in an update.
        each_batch: Whether the schedule is stepped at every batch.
        every: Updates for each step of the schedule.
        never: Whether it is stepped at all.
        skip: Updates that the loss scale skips.
        count_skipped: Whether the schedule is stepped there too.
    """

    writer: Writer
    interval: int = 10
    used: bool = True
    base: int = 1
    early: bool = False
    batches: int = 1
    each_batch: bool = False
    every: int = 1
    never: bool = False
    late: bool = False
    skip: frozenset[int] = frozenset()
    count_skipped: bool = False

    def run(self, model: Any, optimizer: Any, scheduler: Any, begin: int, end: int) -> None:
        """Train from one update to another."""
        made, attempt, loss = begin, begin, 0.0
        while made < end:
            optimizer.zero_grad()
            for _ in range(self.batches):
                loss = backward(model)
                if self.each_batch:
                    scheduler.step()
            if self.early:
                scheduler.step()
            skipped = attempt in self.skip
            attempt += 1
            rates = [group["lr"] for group in optimizer.param_groups]
            if not skipped:
                optimizer.step()
                made += 1
            wanted = not (self.each_batch or self.early or self.never)
            wanted = wanted and not (self.late and made == 1)
            if wanted and made % self.every == 0 and (not skipped or self.count_skipped):
                scheduler.step()
            if not self.used:
                rates = [group["lr"] for group in optimizer.param_groups]
            count = made if self.count_skipped or not self.skip else attempt
            self._log(count, rates, loss, skipped and self.count_skipped)

    def _log(self, count: int, rates: list[float], loss: float, again: bool) -> None:
        step = count - 1 + self.base
        if not again and (step % self.interval == 0 or count == 1):
            self.writer.write(step, [float(rate) for rate in rates], loss)
