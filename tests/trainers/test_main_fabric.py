"""Fabric: a loop of one's own, with its optimizer, its logger and its checkpoints."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")

from lightning.fabric import Fabric
from lightning.fabric.loggers.csv_logs import CSVLogger

import ratewise as rw
from ratewise.torch import Scheduler
from tests.trainers.ledger import held
from tests.trainers.tiny import (
    BATCHES,
    EPOCHS,
    LISTENING,
    LR,
    PLAN,
    TEXT,
    TOTAL,
    Recorder,
    killed,
    line,
    loader,
    rates,
    used,
)

Ended = Callable[[list[float]], Any]
pytestmark = pytest.mark.filterwarnings("ignore")


def loop(
    plan: Any,
    folder: Path,
    *,
    resume: bool = False,
    accumulation: int = 1,
    losses: Any = None,
    after: Ended = lambda used: None,
) -> Any:
    """Train as Fabric's own guide does, one line added; it saves behind every epoch."""
    torch.set_num_threads(1)
    fabric = Fabric(accelerator="cpu", devices=1, loggers=CSVLogger(folder, name="log"))
    module = line()
    model, optimizer = fabric.setup(module, Recorder(module.parameters(), lr=LR))
    scheduler = Scheduler(optimizer, plan, total=TOTAL)
    data = fabric.setup_dataloaders(loader(BATCHES * accumulation))
    state: dict[str, Any] = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    state["epoch"] = 0
    if resume:
        fabric.load(folder / "run.ckpt", state)
    made = state["epoch"] * BATCHES
    for epoch in range(state["epoch"], EPOCHS):
        for number, (x, y) in enumerate(data, start=1):
            ends = number % accumulation == 0
            with fabric.no_backward_sync(model, enabled=not ends):
                fabric.backward((model(x) - y).square().mean())
            if ends:
                optimizer.step()
                optimizer.zero_grad()
                made += 1
                fabric.log("lr", scheduler.get_last_lr()[0], step=made)
                after(used(optimizer.optimizer))
        if losses is not None:
            scheduler.observe(val_loss=losses[epoch])
        state["epoch"] = epoch + 1
        fabric.save(folder / "run.ckpt", state)
    fabric.logger.finalize("success")
    return optimizer.optimizer, fabric.logger.log_dir


@held("Fabric", "rates exact")
@held("Fabric", "log right")
@pytest.mark.parametrize("accumulation", [1, 3])
def test_every_update_has_its_rate_in_the_log_too(accumulation: int, tmp_path: Path) -> None:
    """The optimizer that Fabric wraps is looked through; its logger's file holds the rates."""
    made, folder = loop(PLAN, tmp_path, accumulation=accumulation)
    assert used(made) == rates()
    with open(Path(folder) / "metrics.csv", encoding="utf-8") as file:
        rows = {int(row["step"]): float(row["lr"]) for row in csv.DictReader(file)}
    assert [rows[step] for step in range(1, TOTAL + 1)] == rates()


@held("Fabric", "resume by our state")
@held("Fabric", "killed and resumed")
def test_killed_and_resumed(tmp_path: Path) -> None:
    """`fabric.save` has the scheduler's state; what was done behind it is done again, the same."""
    at = BATCHES + 2

    def run(die: Callable[[], None]) -> None:
        def after(used: list[float]) -> None:
            if len(used) == at:
                (tmp_path / "used.json").write_text(json.dumps(used))
                die()

        loop(PLAN, tmp_path, after=after)

    killed(run)
    assert json.loads((tmp_path / "used.json").read_text()) == rates()[:at]
    rest, _ = loop(PLAN, tmp_path, resume=True)
    assert used(rest) == rates()[BATCHES:]


@held("Fabric", "metric heard")
def test_what_is_observed_is_heard(tmp_path: Path) -> None:
    """No epoch is better than the first, so the second and third halve the rate."""
    made, _ = loop(LISTENING, tmp_path, losses=[1.0, 1.0, 1.0])
    found = used(made)
    assert found[2 * BATCHES - 1] == LR
    assert found[2 * BATCHES :] == [LR / 2] * BATCHES


@held("Fabric", "YAML")
def test_a_file_of_jsonargparse_makes_the_scheduler(tmp_path: Path) -> None:
    """`class_path: ratewise.torch.Scheduler` with the text of a schedule, as a callable."""
    jsonargparse = pytest.importorskip("jsonargparse")
    from torch.optim import Optimizer

    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--scheduler", type=Callable[[Optimizer], Scheduler])
    parser.add_argument("--config", action="config")
    file = tmp_path / "config.yaml"
    file.write_text(
        "scheduler:\n  class_path: ratewise.torch.Scheduler\n"
        f'  init_args: {{schedule: "{TEXT}", total: {TOTAL}}}\n'
    )
    found = parser.parse_args(["--config", str(file)])
    make = getattr(parser, "instantiate", parser.instantiate_classes)(found).scheduler
    module = line()
    fabric = Fabric(accelerator="cpu", devices=1)
    model, optimizer = fabric.setup(module, Recorder(module.parameters(), lr=LR))
    make(optimizer)
    for x, y in [*loader()] * EPOCHS:
        fabric.backward((model(x) - y).square().mean())
        optimizer.step()
    assert used(optimizer.optimizer) == rates()
    assert rw.parse(TEXT) == PLAN
