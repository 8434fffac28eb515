"""Logs that real libraries wrote, read as curves with the rates that their updates used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.choose import compare, read_curves
from ratewise.logs.reading import read_logs
from tests.runs.journal.tasks import Run

TOTAL = 24


# Trainer of Transformers ----------------------------------------------------------------------


def trained(folder: Path, **options: Any) -> Any:
    """A Trainer that has made 24 updates, with a warm-up of 6 and a linear decay."""
    pytest.importorskip("transformers")
    from tests.transformers import tiny

    given = {"max_steps": TOTAL, "warmup_steps": 6, "per_device_train_batch_size": 4}
    given |= {"save_strategy": "steps", "save_steps": 6, "eval_dataset": tiny.rows(4)}
    made = tiny.make(folder, **given | options)
    made.train()
    return made


def test_a_trainers_rates_are_those_its_updates_used(tmp_path: Path) -> None:
    """Logged at every update, the rates of a checkpoint's record are exact."""
    from tests.transformers import tiny

    trainer = trained(tmp_path / "run")
    (curve,) = read_curves(tmp_path / "run" / "checkpoint-24")
    assert curve.name == "run"
    assert np.allclose(curve.every_rate, tiny.used(trainer), rtol=1e-9, atol=0)
    losses = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert np.array_equal(curve.losses, losses)


def test_a_trainers_folder_is_its_last_checkpoint(tmp_path: Path) -> None:
    """The checkpoints of a run are one run; the last has the whole log."""
    trained(tmp_path / "run")
    (curve,) = read_curves(tmp_path)
    assert curve.name == "run"
    assert curve.steps[-1] == TOTAL


def test_evaluations_have_rates_between_those_logged(tmp_path: Path) -> None:
    """Rows of evaluations have no rate; the line through those of training goes through them."""
    from tests.transformers import tiny

    trainer = trained(tmp_path / "run", logging_steps=3, eval_strategy="steps", eval_steps=2)
    reading = read_logs(tmp_path / "run")
    (curve,) = reading.curves
    assert reading.loss == ("eval_loss",)
    assert np.array_equal(curve.steps, np.arange(2, TOTAL + 1, 2))
    used = np.array(tiny.used(trainer))
    assert np.abs(curve.every_rate - used)[:-1].max() < 0.17 * used.max()  # the corner is cut
    assert np.allclose(curve.every_rate[9:], used[9:], rtol=1e-9)


def test_a_record_whose_rates_are_of_updates_to_come(tmp_path: Path) -> None:
    """Older versions log the next rate, 0 at the end; it is read as what it is."""
    from tests.transformers import tiny

    trainer = trained(tmp_path / "run")
    path = tmp_path / "run" / "checkpoint-24" / "trainer_state.json"
    state = json.loads(path.read_text())
    used = tiny.used(trainer)
    for row in state["log_history"]:
        if "learning_rate" in row:
            row["learning_rate"] = [*used, 0.0][row["step"]]
    path.write_text(json.dumps(state))
    (curve,) = read_curves(path)
    assert np.allclose(curve.every_rate[1:], used[1:], rtol=1e-9)


def test_a_resumed_trainer_repeats_nothing(tmp_path: Path) -> None:
    """A record that goes on from a checkpoint has every update once."""
    from tests.transformers import tiny

    trained(tmp_path / "run")
    again = tiny.make(tmp_path / "run", max_steps=TOTAL, warmup_steps=6, save_steps=6,
                      save_strategy="steps", per_device_train_batch_size=4)  # fmt: skip
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-12"))
    (curve,) = read_curves(tmp_path / "run")
    assert np.array_equal(curve.steps, np.arange(1, TOTAL + 1))


def test_a_record_cut_in_the_middle_is_refused(tmp_path: Path) -> None:
    trained(tmp_path / "run")
    path = tmp_path / "run" / "checkpoint-24" / "trainer_state.json"
    path.write_text(path.read_text()[:900])
    with pytest.raises(rw.ScheduleError, match="cut off or no JSON"):
        read_curves(path)


# Lightning ------------------------------------------------------------------------------------


def fitted(folder: Path, logger: Any) -> Any:
    """A module trained for 4 epochs of 12 updates under a rate that climbs and falls."""
    import torch
    from lightning.pytorch.callbacks import LearningRateMonitor

    from tests.lightning import tiny

    class Module(tiny.Module):
        def training_step(self, batch: Any, index: int) -> Any:
            loss = 1 + self.layer(batch).pow(2).sum()
            self.log("train_loss", loss, on_step=True, on_epoch=True)
            return loss

        def configure_optimizers(self) -> Any:
            self.made = tiny.Recorder(self.parameters(), lr=0.01)
            levels = (rw.Warmup(6) >> rw.Linear(to=0)).resolve(48).values(49).tolist()
            shape = torch.optim.lr_scheduler.LambdaLR(self.made, levels.__getitem__)
            return [self.made], [{"scheduler": shape, "interval": "step"}]

    module = Module(lambda t: 1 + 1 / (t + 1))
    monitor = LearningRateMonitor("step")
    options = {"max_epochs": 4, "val_check_interval": 4, "log_every_n_steps": 1}
    tiny.fit(module, 12, validation=1, logger=logger(folder), callbacks=[monitor], **options)
    return module


def test_lightnings_csv_and_its_monitor(tmp_path: Path) -> None:
    """Steps that Lightning counts from 0 become updates made; losses stand where measured."""
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    from tests.lightning import tiny

    module = fitted(tmp_path, loggers.CSVLogger)
    (curve,) = read_curves(tmp_path)
    assert curve.name == "version_0"
    assert [(int(t), v) for t, v in zip(curve.steps, curve.losses, strict=True)] == [
        (t, pytest.approx(v)) for t, v in module.measured
    ]
    assert np.allclose(curve.every_rate, tiny.used(module.made), rtol=1e-6)
    (training,) = read_curves(tmp_path, loss="train_loss_step")
    assert len(training.steps) == 48


def test_lightnings_tensorboard(tmp_path: Path) -> None:
    """The event files of its logger say the same as its CSV."""
    loggers = pytest.importorskip("lightning.pytorch.loggers")
    from tests.lightning import tiny

    module = fitted(tmp_path, loggers.TensorBoardLogger)
    (curve,) = read_curves(tmp_path)
    assert [int(t) for t in curve.steps] == [t for t, _ in module.measured]
    assert np.allclose(curve.every_rate, tiny.used(module.made), rtol=1e-6)


# TensorBoard ----------------------------------------------------------------------------------

RATES = np.append(np.linspace(1e-4, 1e-3, 10), np.full(30, 1e-3))
LOSSES = 2 + 1 / np.sqrt(np.arange(1, 41))


def write(folder: Path, module: str, first: int = 1, last: int = 40, shift: float = 0.0) -> None:
    writer: Any = pytest.importorskip(module).SummaryWriter(str(folder))
    for t in range(first, last + 1):
        writer.add_scalar("train/loss", LOSSES[t - 1] + shift, t)
        writer.add_scalar("train/lr", RATES[t - 1], t)
        if t % 9 == 0:
            writer.add_histogram("weights", np.arange(t), t)
            writer.add_text("said", "something", t)
    writer.close()


@pytest.mark.parametrize("module", ["tensorboardX", "torch.utils.tensorboard"])
def test_event_files_run_by_run(tmp_path: Path, module: str) -> None:
    """Each folder is a run; scalars are found by tag, all else is passed over."""
    write(tmp_path / "a", module)
    write(tmp_path / "b", module, shift=1.0)
    one, other = read_curves(tmp_path)
    assert (one.name, other.name) == ("a", "b")
    assert np.allclose(one.every_rate, RATES, rtol=1e-6)
    assert np.allclose(other.losses, LOSSES + 1, rtol=1e-6)


def test_a_resumed_event_file_replaces_what_was_there(tmp_path: Path) -> None:
    """From where the second file begins, the first no longer counts."""
    for second, parts in enumerate([{"last": 30, "shift": 5.0}, {"first": 21}]):
        write(tmp_path / "new", "tensorboardX", **parts)
        (path,) = (tmp_path / "new").iterdir()
        (tmp_path / "run").mkdir(exist_ok=True)
        path.rename(tmp_path / "run" / f"events.out.tfevents.{second}.host")
    reading = read_logs(tmp_path / "run")
    (curve,) = reading.curves
    assert np.array_equal(curve.steps, np.arange(1, 41))
    assert np.allclose(curve.losses, LOSSES + 5.0 * (np.arange(1, 41) <= 20), rtol=1e-6)
    assert "run: 10 points were written again later" in reading.notes


def test_scalars_of_tensorflow(tmp_path: Path) -> None:
    """TensorFlow writes a scalar as a tensor."""
    pytest.importorskip("tensorboard")
    tf = pytest.importorskip("tensorflow")
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        for t in range(1, 41):
            tf.summary.scalar("loss", LOSSES[t - 1], step=t)
            tf.summary.scalar("learning_rate", RATES[t - 1], step=t)
    (curve,) = read_curves(tmp_path)
    assert np.allclose(curve.losses, LOSSES, rtol=1e-6)
    assert np.allclose(curve.every_rate, RATES, rtol=1e-6)


def test_an_event_file_is_read_as_far_as_it_was_written(tmp_path: Path) -> None:
    """A crash cuts the last record; garbage is refused."""
    write(tmp_path, "tensorboardX")
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-50])
    (curve,) = read_curves(path)
    assert 35 <= len(curve.steps) <= 40
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(rw.ScheduleError, match="is no event file"):
        read_curves(path)


# The journal ----------------------------------------------------------------------------------


class Bowl:
    peak = 0.1
    fingerprint = "bowl"

    def open(self, seed: int) -> Any:
        return Run(seed, lambda t, rate: None)


PLANS = {"late": rw.Hold() >> rw.Linear(to=0, over="20%"), "cosine": rw.Cosine(to=0)}


def test_a_journal_has_the_exact_rates(tmp_path: Path) -> None:
    """Every run that ended well is a curve; those that diverged are left out, and it is said."""
    path = tmp_path / "runs.db"
    result = compare(Bowl(), PLANS, total=600, peaks=[0.05, 5.0], seeds=1, journal=path)
    reading = read_logs(path)
    assert [one.name for one in reading.curves] == [
        "cosine, peak 0.05, seed 0",
        "late, peak 0.05, seed 0",
    ]
    assert any(note.startswith("late, peak 5, seed 0: left out") for note in reading.notes)
    assert any("training losses" in note for note in reading.notes)
    for name, curve in zip(("cosine", "late"), reading.curves, strict=True):
        (run,) = [one for one in result.runs if one.name == name and one.peak == 0.05]
        assert np.array_equal(curve.every_rate, run.rates[: len(curve.every_rate)])
        assert curve.losses.mean() == pytest.approx(run.losses.mean())
        assert len(curve.steps) == 200


def test_a_journal_gets_its_rates_back_when_it_goes_on(tmp_path: Path) -> None:
    """Without rates it is refused; comparing again trains nothing and adds them."""
    import sqlite3

    path = tmp_path / "runs.db"
    asked: Any = {"total": 60, "seeds": 1, "journal": path}
    compare(Bowl(), PLANS, **asked)
    with sqlite3.connect(path) as file:
        file.execute("DELETE FROM rates")
    with pytest.raises(rw.ScheduleError, match="is damaged"):
        read_curves(path)
    assert compare(Bowl(), PLANS, **asked).trained == 0
    assert len(read_curves(path)) == 2


class Other(Bowl):
    fingerprint = "another bowl"


def test_of_several_tasks_the_newest_counts(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    compare(Other(), PLANS, total=60, seeds=2, journal=path)
    compare(Bowl(), {"cosine": PLANS["cosine"]}, total=60, seeds=1, journal=path)
    reading = read_logs(path)
    assert [one.name for one in reading.curves] == ["cosine, peak 0.1, seed 0"]
    assert any("4 runs of other tasks are left out" in note for note in reading.notes)
