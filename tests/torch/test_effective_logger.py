"""The logger of effective rates: when it records, what it holds, where it writes."""

from __future__ import annotations

import csv
import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import ratewise as rw
from ratewise.torch import EffectiveRateLogger, Scheduler, effective_rate

LR = 3e-4


class Board:
    """Writes down what a TensorBoard writer would be given."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, int]] = []

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.seen.append((tag, value, step))


def sgd(total: int = 100) -> Any:
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(3))], lr=LR)
    Scheduler(optimizer, rw.Linear(to=0), total=total)
    return optimizer


def run(optimizer: Any, updates: int) -> None:
    for _ in range(updates):
        optimizer.step()


def test_every_so_many_updates_are_recorded() -> None:
    """Updates 0, every, 2·every … have a row, with the rate that they used."""
    optimizer = sgd()
    with EffectiveRateLogger(optimizer, every=7, quantiles=[0.5]) as log:
        run(optimizer, 30)
    assert [row["update"] for row in log.rows()] == [0, 7, 14, 21, 28]
    assert [row["50%"] for row in log.rows()] == pytest.approx(
        [LR * (1 - t / 100) for t in (0, 7, 14, 21, 28)], rel=1e-12
    )


def test_a_row_is_what_effective_rate_says() -> None:
    """The last row has the numbers of a call after that update."""
    weight = nn.Parameter(torch.randn(50, generator=torch.Generator().manual_seed(0)))
    optimizer = torch.optim.Adam([weight], lr=LR)
    log = EffectiveRateLogger(optimizer, every=1)
    for _ in range(5):
        weight.grad = weight.detach() ** 2
        optimizer.step()
    row = {key: value for key, value in log.rows()[-1].items() if key not in ("update", "group")}
    assert row == effective_rate(optimizer).read()["0"]


def test_the_history_is_bounded() -> None:
    """The newest `keep` records are held, whatever the length of the run."""
    optimizer = sgd()
    log = EffectiveRateLogger(optimizer, every=1, keep=5)
    run(optimizer, 60)
    assert [row["update"] for row in log.rows()] == [55, 56, 57, 58, 59]


def test_a_table_holds_every_record(tmp_path: Path) -> None:
    """A CSV file gets what the bounded history has dropped; a run that goes on continues it."""
    file = tmp_path / "rates.csv"
    optimizer = sgd()
    with EffectiveRateLogger(optimizer, every=1, keep=2, to=file, quantiles=[0.5]):
        run(optimizer, 40)
    with EffectiveRateLogger(optimizer, every=20, to=str(file), quantiles=[0.5], start=40) as log:
        run(optimizer, 30)
    assert log.committed == 70
    with file.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [int(row["update"]) for row in rows] == [*range(40), 40, 60]
    assert list(rows[0]) == ["update", "group", "lr", "50%"]
    assert float(rows[-1]["50%"]) == pytest.approx(LR * 0.4, rel=1e-12)


def test_a_table_is_begun_anew(tmp_path: Path) -> None:
    """Without `start`, a file that is there is replaced."""
    file = tmp_path / "rates.csv"
    file.write_text("something else\n")
    EffectiveRateLogger(sgd(), to=file).close()
    assert file.read_text().splitlines() == ["update,group,lr,5%,25%,50%,75%,95%"]


def test_a_board_gets_scalars() -> None:
    """One scalar for each group and column, at the update that it belongs to."""
    board, optimizer = Board(), sgd()
    with EffectiveRateLogger(optimizer, every=10, to=board, quantiles=[0.5]):
        run(optimizer, 11)
    assert [(tag, step) for tag, _, step in board.seen] == [
        ("effective_rate/0/lr", 0),
        ("effective_rate/0/50%", 0),
        ("effective_rate/0/lr", 10),
        ("effective_rate/0/50%", 10),
    ]


def test_skipped_updates_are_not_counted() -> None:
    """An update that a gradient scaler tells the optimizer to skip has no record."""
    weight = nn.Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    optimizer: Any = torch.optim.SGD([weight], lr=LR, fused=True)
    log = EffectiveRateLogger(optimizer, every=1)
    run(optimizer, 2)
    optimizer.grad_scale = None
    optimizer.found_inf = torch.tensor(1.0)
    run(optimizer, 3)
    del optimizer.found_inf, optimizer.grad_scale
    run(optimizer, 1)
    assert [row["update"] for row in log.rows()] == [0, 1, 2]


def test_groups_may_come_and_go() -> None:
    """Records of two groups and of three stand side by side."""
    optimizer = sgd()
    log = EffectiveRateLogger(optimizer, every=1, quantiles=[])
    run(optimizer, 1)
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "name": "head"})
    run(optimizer, 1)
    assert [(row["update"], row["group"]) for row in log.rows()] == [
        (0, "0"),
        (1, "0"),
        (1, "head"),
    ]


def test_closing_ends_it_and_it_keeps_no_optimizer_alive() -> None:
    """After `close` nothing is recorded; a logger that is held does not hold the optimizer."""
    optimizer = sgd()
    log = EffectiveRateLogger(optimizer, every=1)
    run(optimizer, 1)
    log.close()
    run(optimizer, 5)
    assert len(log.rows()) == 1
    gone = weakref.ref(optimizer)
    del optimizer
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": 0}, "needs every as a whole number"),
        ({"keep": 0}, "needs keep as a whole number"),
        ({"to": 3}, "cannot write to 3: give a path"),
        ({"quantiles": [2]}, r"every quantile in \[0, 1\]"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    """The error comes when the logger is made, and nothing is hooked."""
    optimizer = sgd()
    with pytest.raises(rw.ScheduleError, match=words):
        EffectiveRateLogger(optimizer, **options)
    run(optimizer, 1)


def test_an_optimizer_that_is_not_known_is_refused_at_once() -> None:
    """Not after the first update."""
    with pytest.raises(rw.ScheduleError, match="EffectiveRateLogger does not know how Adadelta"):
        EffectiveRateLogger(torch.optim.Adadelta([nn.Parameter(torch.ones(1))]))


class Own(torch.optim.SGD):
    """An optimizer of one's own around a step that may be hooked itself."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


def test_a_step_around_a_hooked_step_is_one_update() -> None:
    """PyTorch calls the hooks of both classes once the base class was used too."""
    torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=LR)
    optimizer = Own([nn.Parameter(torch.ones(3))], lr=LR)
    with EffectiveRateLogger(optimizer, every=1, quantiles=[0.5]) as log:
        run(optimizer, 4)
    assert [row["update"] for row in log.rows()] == [0, 1, 2, 3]
