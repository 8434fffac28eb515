"""The task around a Transformers trainer: exact, and the same as `trainer.train()`."""

from __future__ import annotations

import pickle
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
from tests.choose.conftest import every_bit
from tests.transformers.tiny import LR, Stream, arguments, make, model, rows

RATES = np.linspace(1e-3, 1e-4, 7)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Jittered(torch.utils.data.Dataset[Any]):
    """Rows whose last token is drawn, from every generator there is and one that it holds."""

    def __init__(self) -> None:
        self.rows = rows(22)
        self.generator = torch.Generator().manual_seed(5)
        self.random = np.random.default_rng(3)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        own = int(torch.randint(5, (), generator=self.generator)) + int(self.random.integers(5))
        drawn = int(torch.randint(9, ())) + random.randrange(9) + np.random.randint(9)
        return {**self.rows[i], "input_ids": [1, i, own + drawn]}


class Chunks(torch.utils.data.IterableDataset[Any]):
    """Rows without a length, shuffled a few at a time with the generators of the process."""

    def __iter__(self) -> Any:
        some = rows(22)
        for first in range(0, 22, 11):
            yield from (some[first + int(i)] for i in torch.randperm(11))


DATA = Jittered()
STREAM = {"data": Chunks(), "max_steps": 99, "gradient_accumulation_steps": 4}
LAWS = pytest.mark.parametrize(
    "options", [{}, STREAM, {"dataloader_num_workers": 1}], ids=["drawn", "stream", "worker"]
)


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def task_of(folder: Any, **options: Any) -> TrainerTask:
    """Trainers with dropout, epochs that do not divide, data that draw, if not told otherwise."""
    given = {
        "data": DATA,
        "kind": transformers.Trainer,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "eval_dataset": rows(6),
        "compute_metrics": accuracy,
        **options,
    }

    def make_trainer(seed: int) -> Any:
        return make(folder, model=model(seed=seed), seed=seed, **given)

    return TrainerTask(make_trainer, higher_is_better=("accuracy",))


def weights(run: Any) -> str:
    return every_bit(run._trainer.model)


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
    expected = whole.train(RATES)
    losses: list[Any] = []
    for piece in np.split(RATES, cuts):
        losses.append(pieces.train(piece))
        pieces.save()
        pieces.measure()
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert weights(whole) == weights(pieces)
    assert whole.measure() == pieces.measure()


@LAWS
@pytest.mark.parametrize("before", [0, 1, 3, 5])
def test_a_state_survives_pickling_into_another_run(
    tmp_path: Any, before: int, options: dict[str, Any]
) -> None:
    """A run opened elsewhere goes on from a pickled state, any number of times."""
    here, there = (task_of(tmp_path, **options).open(3) for _ in range(2))
    here.train(np.full(before, 1e-3))
    state = pickle.dumps(here.save())
    expected = here.train(RATES).tobytes(), weights(here), here.measure()
    for run in (there, here, there):
        run.restore(pickle.loads(state))
        run.restore(run.save())
        assert (run.train(RATES).tobytes(), weights(run), run.measure()) == expected


def test_training_on_does_not_alter_a_saved_state(tmp_path: Any) -> None:
    """A state is a copy: the same bytes before and after more training."""
    run = task_of(tmp_path).open(0)
    run.train(RATES)
    state = run.save()
    before = pickle.dumps(state)
    run.train(RATES)
    run.restore(state)
    run.train(RATES)
    assert pickle.dumps(state) == before


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


def test_sharing_changes_no_bit(tmp_path: Any) -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    candidates = {
        "constant": rw.Warmup(3) >> rw.Hold(),
        "late": rw.Warmup(3) >> rw.Hold() >> rw.Linear(to=0, over=3),
        "cosine": rw.Warmup(3) >> rw.Cosine(to=0),
    }
    task = task_of(tmp_path)
    shared = compare(task, candidates, total=9, peaks=[1e-3], seeds=2)
    assert shared.sharing > 1.2
    for record in shared.runs:
        assert record.error is None
        run = task.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


SCHEDULE = rw.Warmup(2) >> rw.Cosine(to=0.1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"gradient_accumulation_steps": 1, "max_grad_norm": 0.0},
        {"max_grad_norm": 0.01, "weight_decay": 0.1},
        {"bf16": True},
        {"data": Stream(22), "max_steps": 8},
        {"data": Stream(22), "max_steps": 8, "gradient_accumulation_steps": 4},
        {"accelerator_config": {"use_seedable_sampler": False}},
        {"dataloader_num_workers": 1, "gradient_accumulation_steps": 3},
        {"gradient_checkpointing": True},
    ],
    ids=str,
)
def test_a_run_is_trainer_train(tmp_path: Any, options: dict[str, Any]) -> None:
    """Weights and losses are those of the plain trainer with the schedule attached, to the bit."""
    task = task_of(tmp_path, **{"data": rows(22), **options})
    total = 8
    plain = task_of(tmp_path, **{"data": rows(22), "max_steps": total, **options})
    torch.manual_seed(4)
    trainer = attach(plain.make_trainer(4), SCHEDULE)
    trainer.train()
    run = task.open(4)
    losses = run.train(LR * SCHEDULE.resolve(total).values(total))
    assert weights(run) == every_bit(trainer.model)
    told = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    np.testing.assert_allclose(losses, told, rtol=1e-3)
    measured, said = run.measure(), trainer.evaluate()
    assert measured == {name: said[f"eval_{name}"] for name in measured}


@pytest.mark.parametrize("remade", [False, True])
def test_a_function_without_a_seed_is_given_one(tmp_path: Any, remade: bool) -> None:
    """Seeds give other weights and another order; with `model_init` too, as in `train()`."""

    def network() -> Any:
        return model(seed=int(torch.randint(1000, ())))

    own: dict[str, Any] = {"model_init": network} if remade else {}

    def make_trainer() -> Any:
        parts = own or {"model": network()}
        return make(tmp_path, kind=transformers.Trainer, eval_dataset=rows(4), **parts)

    runs = [TrainerTask(make_trainer).open(seed) for seed in (0, 0, 1)]
    first, again, other = (run.train(RATES).tobytes() for run in runs)
    assert first == again != other
    assert weights(runs[0]) == weights(runs[1]) != weights(runs[2])


def test_rates_are_of_updates_and_groups_keep_their_ratio(tmp_path: Any) -> None:
    """With accumulation each update uses the next rate; the smaller group a tenth of it."""

    def make_trainer(seed: int) -> Any:
        return make(tmp_path, eval_dataset=rows(4), gradient_accumulation_steps=3, seed=seed)

    run = TrainerTask(make_trainer).open(0)
    run.train(RATES)
    made = np.array(run._optimizer.used)  # pyright: ignore
    assert made[:, 0].tolist() == RATES.tolist()
    np.testing.assert_allclose(made[:, 1], RATES / 10, rtol=1e-12)


def test_candidates_may_bring_optimizers(tmp_path: Any) -> None:
    """The trainer trains with the optimizer that a candidate brings."""

    def sgd(net: Any) -> Any:
        return torch.optim.SGD(net.parameters(), lr=0.25)

    task = task_of(tmp_path).with_optimizer(sgd)
    assert task.peak == 0.25
    assert isinstance(task.open(0)._optimizer, torch.optim.SGD)


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
    with pytest.raises(rw.ScheduleError, match="returned no Trainer, got 3"):
        TrainerTask(lambda: 3).open(0)
    with pytest.raises(rw.ScheduleError, match="is no function, got 3"):
        TrainerTask(3)  # pyright: ignore
    with pytest.raises(rw.ScheduleError, match="needs a tuple of names"):
        TrainerTask(lambda: 3, higher_is_better="accuracy")  # pyright: ignore
    assert arguments(tmp_path).seed == 42
