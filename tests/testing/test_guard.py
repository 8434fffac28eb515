"""A guard warns at the first update that departs, in each trainer, and is silent of right runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.audit import audit
from ratewise.schedule import ScheduleError
from ratewise.testing import RateGuard, RateWarning, trace
from tests.audit.trainers import LR, Line, shape

TOTAL, WARM = 24, 4
PLAN = f"Warmup({WARM}, start=0) >> Cosine(to=0.1)"
LEVEL = shape(TOTAL, WARM, 0.1)

quietly = pytest.mark.filterwarnings("ignore")


def heard(run: Callable[[], Any]) -> list[str]:
    """What a run was warned of by its guard."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        run()
    return [str(one.message) for one in told if issubclass(one.category, RateWarning)]


def plain_pytorch(guard: RateGuard, wrong: bool, folder: Path, lr: float = LR) -> None:
    """A loop; the mistake is to step the scheduler twice."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD(Line().parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, LEVEL)
    guard.watch(optimizer)
    for _ in range(TOTAL):
        optimizer.step()
        for _ in range(1 + wrong):
            scheduler.step()


def accelerate(guard: RateGuard, wrong: bool, folder: Path) -> None:
    """A prepared loop of two batches an update; the mistake is a scheduler that is not prepared."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("accelerate")
    accelerator = library.Accelerator(cpu=True, gradient_accumulation_steps=2)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, LEVEL)
    rows: Any = [{"x": torch.ones(2), "labels": torch.zeros(1)} for _ in range(2 * TOTAL)]
    data = torch.utils.data.DataLoader(rows, batch_size=1)
    model, optimizer, data = accelerator.prepare(model, optimizer, data)
    if not wrong:
        scheduler = accelerator.prepare(scheduler)
    guard.watch(optimizer)
    for batch in data:
        with accelerator.accumulate(model):
            accelerator.backward(model(**batch)["loss"])
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()


def transformers(guard: RateGuard, wrong: bool, folder: Path, resume: bool = False) -> None:
    """A Trainer; the mistake is a callback that steps the scheduler again."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("transformers")
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, LEVEL)

    class Again(library.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
            parts["lr_scheduler"].step()

    arguments = library.TrainingArguments(
        str(folder), max_steps=TOTAL, per_device_train_batch_size=4, report_to=[], use_cpu=True,
        disable_tqdm=True, save_steps=10, logging_strategy="no",
    )  # fmt: skip
    rows = [{"x": torch.ones(2), "labels": torch.zeros(1)} for _ in range(8)]
    callbacks = [guard.callback("transformers"), *([Again()] if wrong else [])]
    trainer = library.Trainer(model, arguments, train_dataset=rows, callbacks=callbacks,
                              optimizers=(optimizer, scheduler))  # fmt: skip
    trainer.train(resume_from_checkpoint=str(folder / "checkpoint-20") if resume else None)


def lightning(guard: RateGuard, wrong: bool, folder: Path) -> None:
    """A module; the mistake is to leave out interval='step'."""
    torch = pytest.importorskip("torch")
    library = pytest.importorskip("lightning")

    class Module(library.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch).square().mean()

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.SGD(self.parameters(), lr=LR)
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, LEVEL)
            told = {"scheduler": scheduler, "interval": "epoch" if wrong else "step"}
            return {"optimizer": optimizer, "lr_scheduler": told}

    data = torch.utils.data.DataLoader(torch.ones(TOTAL // 2, 2), batch_size=1)
    library.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
        callbacks=[guard.callback("lightning")],
    ).fit(Module(), data)  # fmt: skip


def keras(guard: RateGuard, wrong: bool, folder: Path) -> None:
    """A fit; the mistake is a callback that is handed the epoch."""
    library = pytest.importorskip("keras")
    model = library.Sequential([library.Input((2,)), library.layers.Dense(1)])
    model.compile(library.optimizers.SGD(LR), "mse", run_eagerly=True)

    class ByUpdate(library.callbacks.Callback):
        updates = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = LR * LEVEL(self.updates)
            self.updates += 1

    by_epoch = library.callbacks.LearningRateScheduler(lambda epoch: LR * LEVEL(epoch))
    x = np.ones((TOTAL // 2, 2), np.float32)
    model.fit(x, x[:, :1], batch_size=1, epochs=2, verbose=0,
              callbacks=[by_epoch if wrong else ByUpdate(), guard.callback("keras")])  # fmt: skip


RUNS = [plain_pytorch, accelerate, transformers, lightning, keras]


@quietly
@pytest.mark.parametrize("train", RUNS, ids=lambda one: one.__name__)
def test_it_is_silent_of_a_right_run_and_warns_at_the_first_wrong_update(
    train: Callable[[RateGuard, bool, Path], None], tmp_path: Path
) -> None:
    """Real trainers: one warning, of the first update that is off, with a mistake that does it."""
    right = RateGuard(PLAN, total=TOTAL, lr=LR)
    assert heard(lambda: train(right, False, tmp_path / "right")) == []
    assert right.departed is None
    assert right.updates == TOTAL
    assert right.audit().agrees is True
    guard = RateGuard(PLAN, total=TOTAL, lr=LR)
    (said,) = heard(lambda: train(guard, True, tmp_path / "wrong"))
    first = 0 if train is accelerate else 1  # there the first of two batches is stepped at too
    assert f"update {first} has" in said
    assert guard.departed is not None
    assert guard.departed.update == first
    kind = {"lightning": "frozen", "keras": "frozen"}.get(train.__name__, "steps_per_update")
    assert kind in guard.causes
    cause = guard.audit().cause
    assert cause is not None
    assert cause.kind in ("steps_per_update", "updates_per_step", "per_epoch")


@quietly
def test_a_trainer_that_goes_on_is_watched_from_there(tmp_path: Path) -> None:
    """The Trainer says how many updates were made, and the guard begins with the next."""
    assert heard(lambda: transformers(RateGuard(PLAN, total=TOTAL, lr=LR), False, tmp_path)) == []
    guard = RateGuard(PLAN, total=TOTAL, lr=LR)
    assert heard(lambda: transformers(guard, False, tmp_path, resume=True)) == []
    assert guard.updates == TOTAL


def test_optax_and_any_loop_record_by_hand() -> None:
    """Rates of single precision are held against what float32 keeps of the plan."""
    jax = pytest.importorskip("jax")
    optax = pytest.importorskip("optax")
    from ratewise.optax import current_rate, schedule

    plan = rw.parse(PLAN)
    assert isinstance(plan, rw.Schedule)
    made = optax.inject_hyperparams(optax.sgd)(schedule(plan, lr=LR, total=TOTAL))
    parameters = jax.numpy.ones(1)
    state = made.init(parameters)
    guard = RateGuard(PLAN, total=TOTAL, lr=LR)
    late = RateGuard(PLAN, total=TOTAL, lr=LR, start=1)

    def train() -> None:
        nonlocal state
        for _ in range(TOTAL):
            _, state = made.update(parameters, state, parameters)
            guard.record(current_rate(state))

    assert heard(train) == []
    (said,) = heard(lambda: late.record(LR * LEVEL(2)))
    assert "off_by_one" in said


@pytest.mark.parametrize(
    ("rates", "at", "kind"),
    [
        ([LR * LEVEL(2 * t) for t in range(9)], 1, "steps_per_update"),
        ([LR * LEVEL(t // 3) for t in range(9)], 1, "updates_per_step"),
        ([LR * LEVEL(t + 2) for t in range(9)], 0, "off_by_one"),
        ([LR * LEVEL(max(t - 1, 0)) for t in range(9)], 1, "frozen"),
        ([*(LR * LEVEL(t) for t in range(7)), 0.0, LR * LEVEL(1)], 7, "restarted"),
        ([LR * LEVEL(t) * 3 for t in range(9)], 1, "wrong_peak"),
        ([LR * LEVEL(t) * 8 for t in range(9)], 1, "world_size"),
        ([LR * LEVEL(t) for t in range(TOTAL + 3)], TOTAL, "held_past_end"),
    ],
)
def test_one_rate_tells_what_may_have_made_it(rates: list[float], at: int, kind: str) -> None:
    """At the very update, before a log could be audited, the mistake is among those named."""
    guard = RateGuard(PLAN, total=TOTAL, lr=LR)
    said = heard(lambda: [guard.record(one) for one in rates])
    assert len(said) == 1
    assert guard.departed is not None
    assert guard.departed.update == at
    assert kind in guard.causes


def test_groups_have_bounds_of_their_own() -> None:
    """Rates of two groups in the wrong order are seen at once."""
    guard = RateGuard(PLAN, total=TOTAL, lr=[LR, 10 * LR], start=5)
    assert heard(lambda: guard.record(LR * LEVEL(5), 10 * LR * LEVEL(5))) == []
    (said,) = heard(lambda: guard.record(10 * LR * LEVEL(6), LR * LEVEL(6)))
    assert "wrong_group" in said


def test_a_run_may_be_ended_by_its_guard() -> None:
    """A warning that is an error leaves the optimizer's step, and the run with it."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    guard = RateGuard("Linear(to=0)", total=10)
    guard.watch(optimizer)
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RateWarning)
        with pytest.raises(RateWarning, match="update 1 has"):
            optimizer.step()
    guard.close()
    optimizer.step()
    assert guard.updates == 2


def test_a_tensor_is_a_rate_too_and_a_skipped_update_is_none() -> None:
    """A rate that is filled in place is read as it is; what a loss scale skipped is not counted."""
    torch = pytest.importorskip("torch")
    rate = torch.tensor(LR, dtype=torch.float32)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate, fused=True)
    guard = RateGuard("Linear(to=0)", total=10, lr=LR)
    guard.watch(optimizer)

    def train() -> None:
        for t in range(5):
            optimizer.found_inf = torch.tensor(1.0)
            optimizer.step()
            optimizer.found_inf = torch.tensor(0.0)
            rate.fill_(LR * (1 - t / 10))
            optimizer.step()

    assert heard(train) == []
    assert guard.updates == 5


def test_a_checkpoint_that_is_loaded_is_watched_on() -> None:
    """Loading makes the groups of an optimizer anew: what they hold then is what is looked at."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    guard = RateGuard("Linear(to=0)", total=10, lr=LR, start=5)
    guard.watch(optimizer)
    kept = optimizer.state_dict()
    kept["param_groups"][0]["lr"] = LR * (1 - 5 / 10)
    optimizer.load_state_dict(kept)
    assert heard(optimizer.step) == []
    (said,) = heard(optimizer.step)
    assert "update 6 has" in said


def test_a_trace_may_have_a_guard() -> None:
    """What is recorded for the end is looked at as it comes."""
    guard = RateGuard("Linear(to=0)", total=10, lr=LR)
    with trace(None, guard=guard) as run:
        (said,) = heard(lambda: [run.record(LR) for _ in range(3)])
    assert "update 1 has" in said
    assert len(run.rates) == 3


def test_what_was_seen_is_audited_as_a_log_would_be() -> None:
    """The audit of a guard is that of a log of every update."""
    rates = [LR * LEVEL(3 * t) for t in range(TOTAL)]
    guard = RateGuard(PLAN, total=TOTAL, lr=LR)
    heard(lambda: [guard.record(one) for one in rates])
    log = {"step": np.arange(1, TOTAL + 1), "lr": np.array(rates)}
    whole = audit(log, PLAN, total=TOTAL, lr=LR, logged="this").cause
    seen = guard.audit().cause
    assert whole is not None
    assert seen is not None
    assert (seen.kind, seen.parameters["k"]) == (whole.kind, whole.parameters["k"])


def test_what_cannot_be_watched_is_refused() -> None:
    """A plan without a peak, a thing without hooks, a framework without callbacks."""
    with pytest.raises(ScheduleError, match="no rate at level 1"):
        RateGuard("Linear(to=0)", total=10).record(0.1)
    with pytest.raises(ScheduleError, match="needs an optimizer"):
        RateGuard("Linear(to=0)", total=10).watch(3)
    with pytest.raises(ScheduleError, match="no trainer with callbacks"):
        RateGuard("Linear(to=0)", total=10).callback("optax")
    with pytest.raises(ScheduleError, match="finds no update"):
        RateGuard("Linear(to=0)", total=10).audit()
    with pytest.raises(ScheduleError, match="needs the length"):
        RateGuard("Linear(to=0)", lr=1.0).record(0.1)
