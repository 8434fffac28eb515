"""Schedules that listen, in Keras: shown the logs of each epoch, exact, and resumed."""

from __future__ import annotations

import functools
import json
import math
import warnings

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate, by_epoch
from ratewise.schedule import ScheduleError
from tests.keras.tools import BACKEND, JITS, Moves, assert_close, fit, model, ones

LR = 0.01
PLATEAU = rw.Plateau("val_loss", factor=0.5, patience=1)
PLAN = rw.Warmup(5) >> PLATEAU
SHOWN = [1.0, 0.9, 0.9, 0.95, 0.9, math.nan, 0.9, 0.8]
STEPS = 3


class Says(keras.callbacks.Callback):
    """Puts the metrics of a list into the logs, one for each epoch."""

    def __init__(self, shown, name="val_loss"):
        super().__init__()
        self.shown, self.name = shown, name

    def on_epoch_end(self, epoch, logs=None):
        if self.shown[epoch] is not None:
            logs[self.name] = self.shown[epoch]


def run(plan, shown, jit="auto", optimizer=None, before=(), epochs=None, first=0, **options):
    """Fit with a callback; return the rates used, the callback and the history."""
    made = optimizer if isinstance(optimizer, keras.Model) else model(keras.optimizers.SGD(LR), jit)
    mine, moves = Callback(plan, lr=LR, **options), Moves()
    epochs = len(shown) if epochs is None else epochs
    history = fit(
        *(made, STEPS, *before, Says(shown), mine, moves), epochs=epochs, initial_epoch=first
    )
    return moves.moved, mine, history.history


@functools.cache
def lived():
    """The rates of a run that nothing stops."""
    return run(PLAN, SHOWN)[0]


def meant(plan, shown):
    """The rates of the pure machine, rounded once."""
    machine = plan.resolve().machine()
    state, levels = machine.init(), []
    for i, value in enumerate(shown):
        levels += [machine.level(state, u) for u in range(i * STEPS, (i + 1) * STEPS)]
        if value is not None:
            state = machine.observe(state, (i + 1) * STEPS, {"val_loss": value})
    return (LR * np.array(levels)).astype(np.float32)


@pytest.mark.parametrize("jit", JITS)
@pytest.mark.parametrize("plan", [PLAN, PLATEAU * rw.Cosine(to=0, over=20), rw.Greedy("val_loss")])
def test_it_follows_the_machine(plan, jit):
    """Every update uses the level of the pure machine, compiled or not, and the history has it."""
    used, _, history = run(plan, SHOWN, jit)
    assert_close(used, meant(plan, SHOWN))
    assert_close(history["learning_rate"], meant(plan, SHOWN)[STEPS - 1 :: STEPS])


def waiting(told):
    """What was said of a metric that is waited for."""
    return [str(one.message) for one in told if "waits for" in str(one.message)]


def test_an_epoch_without_validation_is_no_evaluation():
    """Where Keras validates in some epochs only, the others neither count nor are refused."""
    shown = [None, None, 1.0, None, None, 1.0, None, None, 1.0, None]
    with pytest.warns(UserWarning, match="waits for val_loss") as told:
        used, _, _ = run(PLATEAU, shown)
    assert len(waiting(told)) == 1, "only behind the third epoch is it known that one comes"
    assert_close(used, meant(PLATEAU, shown))
    assert used[-1] < used[0]


@pytest.mark.parametrize("plan", [PLATEAU, PLAN, rw.Plan(momentum=PLATEAU)])
def test_a_run_without_validation_is_told_behind_its_first_epoch(plan):
    """Once, with what waits, what was measured and what to write; then the rate stays."""
    made = model(keras.optimizers.SGD(LR, momentum=0.5))
    seen = []

    class Epochs(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seen.append(len(waiting(told)))

    with pytest.warns(UserWarning, match="waits for") as told:
        fit(made, STEPS, Callback(plan, lr=LR), Epochs(), epochs=4)
    assert seen == [0, 1, 1, 1]
    for part in ("Plateau(", "waits for val_loss", "measured loss", "validation_data=…"):
        assert part in waiting(told)[0]
    assert made.history.history["learning_rate"][-1] == pytest.approx(LR)


def test_with_validation_nothing_is_told():
    """A metric that comes with each epoch, or of the training, is no reason to warn."""
    for metric, data in (("val_loss", ones(2)), ("loss", None)):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            mine = Callback(rw.Plateau(metric), lr=LR)
            fit(model(keras.optimizers.SGD(LR)), 3, mine, epochs=2, validation_data=data)


def test_a_misspelt_metric_is_refused_with_those_that_were_seen():
    """Behind the first evaluation, and not at the end of the run."""
    with pytest.raises(ScheduleError, match=r"waits for val_los, but measured were loss, val_loss"):
        run(rw.Plateau("val_los"), SHOWN)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_a_saved_model_goes_on_in_the_middle_of_a_patience(k, tmp_path):
    """Saved after any epoch and loaded, with the file of what was heard, it is the whole run."""
    whole = lived()
    heard = tmp_path / "run" / "heard.jsonl"
    made = model(keras.optimizers.SGD(LR))
    first, _, _ = run(PLAN, SHOWN, optimizer=made, epochs=k, observations=heard)
    made.save(tmp_path / "model.keras")
    fit_on = run(PLAN, SHOWN, optimizer=made, epochs=8, first=k, observations=heard)  # thrown away
    assert len(fit_on[0]) == STEPS * (8 - k)
    again = keras.saving.load_model(tmp_path / "model.keras")
    with heard.open("a") as file:
        file.write('{"update": 99, "met')  # as a kill in the middle of a write leaves it
    rest, mine, _ = run(PLAN, SHOWN, optimizer=again, first=k, observations=heard)
    assert first + rest == whole
    lines = [json.loads(line) for line in heard.read_text().splitlines()]
    assert [one["update"] for one in lines] == [STEPS * (i + 1) for i in range(len(SHOWN))]
    replayed = mine.replay().lr
    assert not replayed.listens
    assert_close(whole, (LR * replayed.values(len(whole))).astype(np.float32))


def test_backup_and_restore_goes_on_where_it_was_stopped(tmp_path):
    """A run that dies in the middle of an epoch and begins again ends as if it never had."""
    whole = lived()

    class Dies(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 4 * STEPS + 2 or self.seen == 4 * STEPS + 1:
                raise RuntimeError("killed")
            self.seen += 1

        seen = 0

    options = {"observations": tmp_path / "heard.jsonl"}
    backup = lambda: keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))  # noqa: E731
    made = model(keras.optimizers.SGD(LR))
    with pytest.raises(RuntimeError, match="killed"):
        run(PLAN, SHOWN, optimizer=made, before=(backup(), Dies()), **options)
    rest, _, _ = run(PLAN, SHOWN, before=(backup(),), **options)
    assert_close(rest, whole[4 * STEPS :])


def test_a_second_fit_goes_on():
    """The same callback in a second call of fit remembers what it heard."""
    whole = lived()
    made, mine, moves = model(keras.optimizers.SGD(LR)), Callback(PLAN, lr=LR), Moves()
    fit(made, STEPS, Says(SHOWN), mine, moves, epochs=4)
    fit(made, STEPS, Says(SHOWN), mine, moves, epochs=len(SHOWN), initial_epoch=4)
    assert moves.moved == whole


def test_what_was_heard_and_is_lost_is_not_made_up(tmp_path):
    """A resumed run whose record is missing, or is none, is refused before it trains."""
    made = model(keras.optimizers.SGD(LR))
    run(PLAN, SHOWN, optimizer=made, epochs=2)
    made.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    with pytest.raises(ScheduleError, match="does not know what its schedule has heard"):
        run(PLAN, SHOWN, optimizer=again, first=2)
    with pytest.raises(ScheduleError, match=r"finds no .*heard\.jsonl"):
        run(PLAN, SHOWN, optimizer=again, first=2, observations=tmp_path / "heard.jsonl")
    (tmp_path / "other.jsonl").write_text("what\n")
    with pytest.raises(ScheduleError, match="cannot read line 1"):
        run(PLAN, SHOWN, optimizer=again, first=2, observations=tmp_path / "other.jsonl")


@pytest.mark.parametrize("measured", [None, "good", [1.0, 2.0]])
def test_what_is_no_number_is_not_heard_as_one(measured):
    """A metric that is waited for and is no number is refused; one that is not is passed over."""
    says = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(mine=measured, number=1.0)
    )
    fit(model(keras.optimizers.SGD(LR)), STEPS, says, Callback(rw.Plateau("number")))
    with pytest.raises(ScheduleError, match="waits for mine, and the logs of an epoch have"):
        fit(model(keras.optimizers.SGD(LR)), STEPS, says, Callback(rw.Plateau("mine")))


def test_a_run_ends_where_its_schedule_does():
    """EarlyCool cools down after a plateau and ends the run, in the middle of an epoch."""
    plan = rw.EarlyCool("val_loss", patience=1, decay=7, over=100)
    used, _, history = run(plan, [1.0] * 20)
    assert len(used) == 3 * STEPS + 7
    assert_close(used, (LR * np.array([1.0] * 9 + [1 - i / 7 for i in range(7)])).astype("float32"))
    assert len(history["loss"]) < 20


def test_momentum_can_listen_too():
    """Any key of a plan may listen, and is logged as it was used."""
    plan = rw.Plan(lr=rw.Hold(), momentum=rw.Plateau("val_loss", factor=0.5, patience=0))
    made = model(keras.optimizers.SGD(LR, momentum=0.8))
    mine = Callback(plan, lr=LR)
    history = fit(made, STEPS, Says([1.0] * 4), mine, epochs=4).history
    assert_close(history["momentum"], np.float32([0.8, 0.8, 0.4, 0.2]))
    assert set(mine.replay().schedules()) == {"lr", "momentum"}


def test_accumulated_gradients_count_as_one_update():
    """With accumulation the machine is shown updates, not batches."""
    made = model(keras.optimizers.SGD(LR, gradient_accumulation_steps=3))
    plan = rw.Plateau("val_loss", factor=0.5, patience=0)
    _, mine, history = run(plan, [1.0] * 4, optimizer=made)
    assert_close(history["learning_rate"], np.float32(LR) * np.float32([1, 1, 0.5, 0.25]))
    assert mine.replay().lr.resolve().values(4).tolist() == [1, 1, 0.5, 0.25]


def test_what_cannot_listen_says_what_can():
    """A rate inside an optimizer, or by epoch, sees no metrics."""
    for make in (lambda: LearningRate(PLAN, lr=LR), lambda: by_epoch(PLAN, LR, 9)):
        with pytest.raises(ScheduleError, match=r"listens to them: use ratewise\.keras\.Callback"):
            make()


def test_nothing_is_compiled_anew():
    """A decision changes values, and not the compiled step."""
    if BACKEND == "torch":
        pytest.skip("PyTorch compiles nothing here")
    made, traced = model(keras.optimizers.SGD(LR)), []
    original = made.compute_loss

    def counted(*args, **kwargs):
        traced.append(1)
        return original(*args, **kwargs)

    made.compute_loss = counted
    run(rw.Plateau("val_loss", factor=0.5, patience=0), [1.0] * 3, optimizer=made, epochs=3)
    once = len(traced)
    made, traced2 = model(keras.optimizers.SGD(LR)), traced
    traced2.clear()
    original = made.compute_loss
    made.compute_loss = counted
    run(rw.Plateau("val_loss", factor=0.5, patience=0), [1.0] * 9, optimizer=made, epochs=9)
    assert len(traced2) == once
