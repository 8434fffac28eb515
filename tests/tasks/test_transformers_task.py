"""The task around a Transformers trainer: exact, isolated, and it says what it cannot do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch
import transformers

import ratewise as rw
from ratewise.choose import Run, Task, TrainerTask, compare
from ratewise.transformers import attach
from tests.tasks.laws import check_pickled_state, check_pieces, check_saved_state
from tests.tasks.trainers import DATA, RATES, Chunks, task_of, weights
from tests.transformers.tiny import LR, make, model, rows

STREAM = {"data": Chunks(), "max_steps": 99, "gradient_accumulation_steps": 4}
LAWS = pytest.mark.parametrize(
    "options", [{}, STREAM, {"dataloader_num_workers": 1}], ids=["drawn", "stream", "worker"]
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_ready_task_follows_the_protocols(tmp_path: Any) -> None:
    """`TrainerTask` is a `Task`, what it opens is a `Run`, and the peak is the optimizer's rate."""
    task = task_of(tmp_path)
    assert isinstance(task, Task)
    assert isinstance(task.open(0), Run)
    assert task.peak == LR


@LAWS
@pytest.mark.parametrize("cuts", [(3,), (1, 2, 3, 4, 5, 6)])
def test_training_in_pieces_is_training_in_one(
    tmp_path: Any, cuts: tuple[int, ...], options: dict[str, Any]
) -> None:
    """Also across the end of an epoch, and with states saved and measured in between."""
    whole, pieces = (task_of(tmp_path, **options).open(1) for _ in range(2))
    check_pieces(whole, pieces, RATES, cuts, weights)


# A worker is forked for every iterator, from a process that holds all frameworks: two places do.
@pytest.mark.parametrize(
    ("options", "before"),
    [
        *((options, before) for options in ({}, STREAM) for before in (0, 1, 3, 5)),
        *(({"dataloader_num_workers": 1}, before) for before in (1, 3)),
    ],
    ids=lambda given: str(given) if isinstance(given, int) else "-".join(given) or "drawn",
)
def test_a_state_survives_pickling_into_another_run(
    tmp_path: Any, before: int, options: dict[str, Any]
) -> None:
    """A run opened elsewhere goes on from a pickled state, any number of times."""
    here, there = (task_of(tmp_path, **options).open(3) for _ in range(2))
    check_pickled_state(here, there, np.full(before, 1e-3), RATES, weights)


def test_training_on_does_not_alter_a_saved_state(tmp_path: Any) -> None:
    """A state is a copy: the same bytes before and after more training."""
    check_saved_state(task_of(tmp_path).open(0), RATES)


def test_measuring_disturbs_nothing(tmp_path: Any) -> None:
    """Evaluating, or a metric that draws and breaks weights, leaves no trace in the run."""

    def rude(trainer: Any) -> float:
        trainer.model(input_ids=torch.tensor([[1, 2]]))
        torch.manual_seed(0)
        random.seed(0)
        DATA[0]
        trainer.state.global_step = 99
        with torch.no_grad():
            next(trainer.model.parameters()).fill_(9)
        return 1.0

    make_trainer = task_of(tmp_path).make_trainer
    runs = [task_of(tmp_path).open(0) for _ in range(2)]
    runs.append(TrainerTask(make_trainer, metric=rude).open(0))
    for run in runs:
        run.train(RATES)
    assert set(runs[1].measure()) == {"loss", "accuracy"}
    assert runs[2].measure() == {"metric": 1.0}
    assert len({(run.train(RATES).tobytes(), weights(run)) for run in runs}) == 1


def test_candidates_may_bring_optimizers(tmp_path: Any) -> None:
    """The trainer trains with the optimizer that a candidate brings."""

    def sgd(net: Any) -> Any:
        return torch.optim.SGD(net.parameters(), lr=0.25)

    task = task_of(tmp_path).with_optimizer(sgd)
    assert task.peak == 0.25
    assert isinstance(task.open(0).optimizer, torch.optim.SGD)


def test_the_process_and_the_data_keep_their_random_numbers(tmp_path: Any) -> None:
    """Drawing after a comparison gives what drawing without it would have given."""

    def draws() -> Any:
        own = torch.randint(99, (3,), generator=DATA.generator), DATA.random.integers(99)
        return str(own), float(torch.rand(())), random.random(), float(np.random.rand())

    def seeded() -> None:
        DATA.generator.manual_seed(1)
        DATA.random = np.random.default_rng(1)
        transformers.set_seed(1)

    task = task_of(tmp_path)
    seeded()
    expected = draws()
    seeded()
    compare(task, {"a": "Hold()"}, total=3)
    assert draws() == expected


def test_a_metric_sees_the_weights_to_evaluate(tmp_path: Any) -> None:
    """An optimizer with modes is in its evaluation mode for a metric, and trains in the other."""

    class Modes(torch.optim.SGD):
        mode = "none"

        def train(self) -> None:
            self.mode = "train"

        def eval(self) -> None:
            self.mode = "eval"

        def step(self, closure: Any = None) -> Any:
            stepped.append(self.mode)
            return super().step(closure)

    def metric(trainer: Any) -> float:
        assert not torch.is_grad_enabled()
        assert not trainer.model.training
        measured.append(run.optimizer.mode)
        return 1.0

    stepped: list[str] = []
    measured: list[str] = []
    task = TrainerTask(task_of(tmp_path).make_trainer, metric, lambda net: Modes(net.parameters()))
    run = task.open(0)
    for _ in range(2):
        run.train(RATES[:1])
        run.measure()
    assert (stepped, measured) == (["train"] * 2, ["eval"] * 2)


def test_the_seed_is_given_to_who_takes_it(tmp_path: Any) -> None:
    """By its name wherever it is, or as the one argument that is needed; else it is set."""

    def trainer(seed: int) -> Any:
        return make(tmp_path, kind=transformers.Trainer, eval_dataset=rows(4), seed=seed)

    def named(rate: float = 1e-3, *, seed: int = 0) -> Any:
        return trainer(seed + int(rate))

    def placed(number: int, rate: float = 1e-3) -> Any:
        return trainer(number)

    def neither(rate: float = 1e-3) -> Any:
        assert rate == 1e-3
        return trainer(42)

    runs = [TrainerTask(make_trainer).open(7) for make_trainer in (named, placed, neither)]
    assert [run.trainer.args.seed for run in runs] == [7, 7, 7]


def test_nothing_is_called_back_and_nothing_is_written(tmp_path: Any) -> None:
    """A run logs nothing, saves nothing and calls no callback."""

    class Loud(transformers.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            raise AssertionError

        on_log = on_evaluate = on_train_begin = on_step_end  # pyright: ignore

    run = task_of(tmp_path / "out", callbacks=[Loud()], save_strategy="steps", save_steps=1).open(0)
    run.train(RATES)
    run.measure()
    assert list((tmp_path / "out").rglob("*")) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"eval_dataset": None}, "has nothing to evaluate"),
        ({"neftune_noise_alpha": 0.1}, "NEFTune"),
        ({"optim": "adalomo"}, "TrainerTask.* cannot count the updates of optim='adalomo'"),
        ({"data": rows(3), "dataloader_drop_last": True}, "gave no batch"),
    ],
)
def test_a_trainer_that_cannot_work_is_refused(
    tmp_path: Any, change: dict[str, Any], words: str
) -> None:
    """What is wrong with the trainer comes as a `ScheduleError` that says what to write."""
    with pytest.raises(rw.ScheduleError, match=words):
        task_of(tmp_path, **change).open(0).train(RATES)


def test_a_scheduler_and_what_is_no_trainer_are_refused(tmp_path: Any) -> None:
    """Rates come from the comparison alone, and from a trainer."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1.0)
    busy = make(tmp_path, model=net, optimizers=(optimizer, scheduler), eval_dataset=rows(4))
    with pytest.raises(rw.ScheduleError, match="has a scheduler"):
        TrainerTask(lambda: busy).open(0)
    followed = attach(make(tmp_path, eval_dataset=rows(4)), "Linear(to=0)")
    with pytest.raises(rw.ScheduleError, match="follows a schedule already"):
        TrainerTask(lambda: followed).open(0)
    with pytest.raises(rw.ScheduleError, match="returned no Trainer, got 3"):
        TrainerTask(lambda: 3).open(0)
    with pytest.raises(rw.ScheduleError, match="is no function, got 3"):
        TrainerTask(3)  # pyright: ignore
    with pytest.raises(rw.ScheduleError, match="needs a tuple of names"):
        TrainerTask(lambda: 3, higher_is_better="accuracy")  # pyright: ignore
