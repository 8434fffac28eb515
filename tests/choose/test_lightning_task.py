"""The task around a Lightning module: exact, and the same as `trainer.fit()`."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning")

import lightning
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import LightningTask, Run, Task, compare
from ratewise.lightning import attach
from tests.choose.conftest import Noisy, every_bit, network
from tests.lightning.tiny import trainer

RATES = np.linspace(1e-2, 1e-3, 7)
LR = 3e-3


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Net(lightning.LightningModule):
    """Dropout, batch norm, odd buffers, and hooks that leave their mark on a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.seen: list[str] = []
        self.extra = 0.0

    def setup(self, stage: str) -> None:
        self.seen.append("setup")
        self.gain = nn.Parameter(torch.rand(()))

    def on_train_start(self) -> None:
        self.extra += float(torch.rand(()))

    def on_train_epoch_start(self) -> None:
        self.mark(1e-3 * self.current_epoch)

    def on_train_epoch_end(self) -> None:
        self.mark(2e-3 * self.current_epoch)

    def on_train_batch_end(self, *_: Any) -> None:
        self.mark(1e-6 * self.global_step)

    def mark(self, amount: float) -> None:
        with torch.no_grad():
            self.gain += amount

    def training_step(self, batch: Any, index: int) -> Any:
        x, y = batch
        self.seen.append(f"{self.current_epoch} {index} {self.global_step}")
        loss = nn.functional.cross_entropy(self.net(x * (1 + 1e-3 * index)) * self.gain, y)
        self.log("loss", loss)
        self.log("mean", loss, on_step=False, on_epoch=True)
        return loss + self.extra

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=LR)


class Quiet(Noisy):
    """The rows alone, without what augmentation draws."""

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.x[i], self.y[i]


class Chunks(torch.utils.data.IterableDataset[Any]):
    """Rows without a length, shuffled a few at a time with the generators of the process."""

    def __init__(self, rows: int = 21, draws: bool = True) -> None:
        self.rows, self.draws, self.data = rows, draws, Quiet()

    def __iter__(self) -> Any:
        for first in range(0, self.rows, 7):
            order = torch.randperm(7) if self.draws else torch.arange(7)
            yield from (self.data[first + int(i)] for i in order)


NOISY, QUIET = Noisy(), Quiet()


def shuffled(seed: int, data: Any = NOISY) -> Any:
    return torch.utils.data.DataLoader(data, batch_size=20, shuffle=True)


def streamed(seed: int, draws: bool = True) -> Any:
    return torch.utils.data.DataLoader(Chunks(draws=draws), batch_size=6)


def bits(module: Any) -> dict[str, float]:
    """A metric that draws, and one that any change of a weight changes."""
    loss = module.net(QUIET.x + torch.randn(6)).square().mean()
    return {"loss": float(loss), "bits": float(int(every_bit(module)[:12], 16))}


def task_of(**changes: Any) -> LightningTask:
    parts = {"accelerator": "cpu", "accumulate_grad_batches": 2, "gradient_clip_val": 0.5}
    given: dict[str, Any] = {"module": Net, "data": shuffled, "metric": bits, "trainer": parts}
    return LightningTask(**{**given, **changes})


DATA = pytest.mark.parametrize("data", [shuffled, streamed])


def test_the_ready_task_follows_the_protocols() -> None:
    """`LightningTask` is a `Task`, what it opens a `Run`, and the peak is the optimizer's rate."""
    assert isinstance(task_of(), Task)
    assert isinstance(task_of().open(0), Run)
    assert task_of().peak == LR


@DATA
@pytest.mark.parametrize("cuts", [(1,), (3,), (2, 5), (1, 2, 3, 4, 5, 6)])
def test_training_in_pieces_is_training_in_one(data: Any, cuts: tuple[int, ...]) -> None:
    """Also across the ends of epochs; the module sees the same fit, hook by hook."""
    whole, pieces = task_of(data=data).open(1), task_of(data=data).open(1)
    expected = whole.train(RATES)
    losses: list[Any] = []
    for piece in np.split(RATES, cuts):
        losses.append(pieces.train(piece))
        pieces.save()
        pieces.measure()
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert every_bit(whole._module) == every_bit(pieces._module)
    assert whole._module.seen == pieces._module.seen
    assert whole.measure() == pieces.measure()


@DATA
@pytest.mark.parametrize("before", [0, 1, 3, 6])
def test_a_state_survives_pickling_into_another_run(data: Any, before: int) -> None:
    """A run opened elsewhere goes on from a pickled state, any number of times."""
    here, there = task_of(data=data).open(3), task_of(data=data).open(3)
    here.train(np.full(before, 1e-2))
    state = pickle.dumps(here.save())
    expected = here.train(RATES).tobytes(), here.measure()
    for run in (there, here, there):
        run.restore(pickle.loads(state))
        run.restore(run.save())
        assert (run.train(RATES).tobytes(), run.measure()) == expected


def test_training_on_does_not_alter_a_saved_state() -> None:
    """A state is a copy: the same bytes before and after more training."""
    run = task_of().open(0)
    run.train(RATES)
    state = run.save()
    before = pickle.dumps(state)
    run.train(RATES)
    run.restore(state)
    run.train(RATES)
    assert pickle.dumps(state) == before


def test_measuring_disturbs_nothing() -> None:
    """A metric that draws, validates with a trainer and breaks weights leaves no trace."""

    def rude(module: Any) -> float:
        module.train()
        module.net(torch.randn(8, 6))
        module.validation_step = lambda x, batch_idx: module.log("v", module.net(x[0]).mean())
        (found,) = trainer().validate(module, shuffled(0), verbose=False)
        torch.manual_seed(0)
        random.seed(0)
        with torch.no_grad():
            next(module.parameters()).fill_(9)
        return found["v"]

    quiet, disturbed = task_of().open(0), task_of(metric=rude).open(0)
    for run in (quiet, disturbed):
        run.train(RATES)
    assert np.isfinite(disturbed.measure()["metric"])
    assert quiet.train(RATES).tobytes() == disturbed.train(RATES).tobytes()
    assert every_bit(quiet._module) == every_bit(disturbed._module)


def test_sharing_changes_no_bit() -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    candidates = {
        "constant": rw.Warmup(3) >> rw.Hold(),
        "late": rw.Warmup(3) >> rw.Hold() >> rw.Linear(to=0, over=3),
        "cosine": rw.Warmup(3) >> rw.Cosine(to=0),
    }
    task = task_of()
    shared = compare(task, candidates, total=9, peaks=[1e-2], seeds=2)
    assert shared.sharing > 1.2
    for record in shared.runs:
        assert record.error is None
        run = task.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


SCHEDULE = rw.Warmup(2) >> rw.Cosine(to=0.1)


class Open(Net):
    """Does nothing at the end of an epoch, which a plain fit also ends when it is cut short."""

    def on_train_epoch_end(self) -> None:
        pass


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 2},
        {"accumulate_grad_batches": 3, "gradient_clip_val": 0.05},
        {"precision": "bf16-mixed"},
        {"limit_train_batches": 3, "accumulate_grad_batches": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("streams", [False, True])
def test_a_run_is_trainer_fit(options: dict[str, Any], streams: bool) -> None:
    """Weights are those of the plain fit with the schedule attached, to the bit."""

    def data(seed: int) -> Any:
        return streamed(seed, draws=False) if streams else shuffled(seed, QUIET)

    total = 9
    torch.manual_seed(4)
    module = attach(Open(), SCHEDULE, total=total)
    plain = trainer(max_steps=total, **options)
    plain.fit(module, data(4))
    assert plain.global_step == total
    run = task_of(module=Open, data=data, trainer={"accelerator": "cpu", **options}).open(4)
    run.train(LR * SCHEDULE.resolve(total).values(total))
    assert run._module.seen == module.seen
    assert every_bit(run._module) == every_bit(module)


def test_groups_keep_their_ratio_and_schedulers_are_left_aside() -> None:
    """A group at a tenth of the rate stays there, whatever the module's scheduler says."""
    used: list[list[float]] = []

    class Two(Net):
        def configure_optimizers(self) -> Any:
            first, *others = self.parameters()
            groups = [{"params": [first], "lr": LR / 10}, {"params": others}]
            optimizer = torch.optim.SGD(groups, lr=LR)
            rates = optimizer.param_groups
            optimizer.register_step_post_hook(lambda *_: used.append([g["lr"] for g in rates]))
            steps = self.trainer.estimated_stepping_batches
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: t / steps)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    task = task_of(module=Two)
    assert task.peak == LR
    task.open(0).train(RATES)
    assert [pair[1] for pair in used] == RATES.tolist()
    np.testing.assert_allclose([pair[0] for pair in used], RATES / 10, rtol=1e-12)


def test_candidates_may_bring_optimizers() -> None:
    """The module trains with the optimizer that a candidate brings."""
    task = task_of().with_optimizer(lambda net: torch.optim.SGD(net.parameters(), lr=0.25))
    assert task.peak == 0.25
    run = task.open(0)
    run.train(RATES)
    assert isinstance(run._optimizer, torch.optim.SGD)


def test_the_process_keeps_its_random_numbers() -> None:
    """Drawing after a comparison gives what drawing without it would have given."""

    def draws() -> Any:
        return float(torch.rand(())), random.random(), float(np.random.rand())

    lightning.seed_everything(1, verbose=False)
    expected = draws()
    lightning.seed_everything(1, verbose=False)
    compare(task_of(), {"a": "Hold()"}, total=3)
    assert draws() == expected


def test_ctrl_c_comes_through() -> None:
    """An interrupt in the module's code is not made into an exit."""

    class Stops(Net):
        def training_step(self, batch: Any, index: int) -> Any:
            raise KeyboardInterrupt

    run = task_of(module=Stops).open(0)
    with pytest.raises(KeyboardInterrupt):
        run.train(RATES)


class ByHand(Net):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


class Without(Net):
    def configure_optimizers(self) -> Any:
        return None


class Attached(Net):
    def configure_optimizers(self) -> Any:
        return attach(torch.optim.SGD(self.parameters(), lr=LR), "Linear(to=0)", module=self)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": 3}, "is no function, got 3"),
        ({"module": lambda: nn.Linear(2, 2)}, "returned no Lightning module"),
        ({"module": ByHand}, "optimizes by hand"),
        ({"module": Without}, "has no optimizer"),
        ({"module": Attached}, "follows a schedule already"),
        ({"data": lambda seed: iter([1])}, "cannot be read again"),
        ({"data": lambda seed: []}, "gave no batch"),
        ({"trainer": 3}, "is no dict, got 3"),
        ({"trainer": {"max_epochs": 3}}, "is for the comparison to say"),
        ({"higher_is_better": "bits"}, "needs a tuple of names"),
        ({"optimizer": lambda net: torch.optim.SGD(net.parameters(), lr=0.0)}, "above 0"),
    ],
)
def test_a_task_that_cannot_work_is_refused(change: dict[str, Any], words: str) -> None:
    """What is wrong comes as a `ScheduleError` that says what to write, with nothing trained."""
    with pytest.raises(rw.ScheduleError, match=words):
        task_of(**change).open(0)
