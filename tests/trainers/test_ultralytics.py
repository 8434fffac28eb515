"""Ultralytics: its own BaseTrainer, with a model of two weights in the place of a network.

The package asks for torchvision when it is imported, which no build of PyTorch for the CPU alone
may have here; it is told of one, and trains without it. Everything else is Ultralytics' own.
"""

from __future__ import annotations

import csv
import gc
import importlib.util
import json
import os
import sys
import tempfile
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

if importlib.util.find_spec("ultralytics") is None:
    pytest.skip("ultralytics is not installed", allow_module_level=True)

import ratewise as rw
from ratewise.torch import Scheduler
from ratewise.ultralytics import attach
from tests.trainers.ledger import held
from tests.trainers.tiny import (
    LR,
    PLAN,
    TEXT,
    Recorder,
    example,
    killed,
    line,
    planned,
    rates,
    rows,
)

BATCHES, EPOCHS = 4, 3
TOTAL = BATCHES * EPOCHS


def absent(folder: Path) -> None:
    """Make the metadata of a package, and the package, that is not there."""
    info = folder / "torchvision-0.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.0.0\n")
    (folder / "torchvision.py").write_text('__version__ = "0.0.0"\n')


FOLDER = tempfile.TemporaryDirectory()
if importlib.util.find_spec("torchvision") is None:
    absent(Path(FOLDER.name))
    sys.path.append(FOLDER.name)
os.environ.update(
    {"YOLO_CONFIG_DIR": FOLDER.name, "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false"}
)
os.environ["YOLO_VERBOSE"] = "false"

PRINTED = np.get_printoptions()  # which it changes for everybody

import cv2  # noqa: E402  (which it brings)
from ultralytics.engine.trainer import BaseTrainer  # noqa: E402
from ultralytics.utils import LOGGER, SETTINGS  # noqa: E402

np.set_printoptions(**PRINTED)
torch.set_printoptions(profile="default")
LOGGER.setLevel("ERROR")
SETTINGS.update(dict.fromkeys(("raytune", "tensorboard", "wandb", "mlflow", "sync"), False))
sys.path[:] = [path for path in sys.path if path != FOLDER.name]


class Line(torch.nn.Module):
    """A line that returns its losses, as a model of Ultralytics does; its bias is a group."""

    stride = torch.tensor([32])
    task, yaml, criterion = "detect", {}, None

    def __init__(self) -> None:
        super().__init__()
        self.model = torch.nn.Sequential(line())
        self.full = 0  # batches at which the memory is too small

    def forward(self, batch: Any) -> Any:
        if isinstance(batch, dict):
            if self.training and self.full and len(batch["img"]) >= self.full:
                raise RuntimeError("CUDA out of memory")
            loss = (self.model(batch["img"]) - batch["y"]).square().mean()
            return loss, {"loss": loss.detach()}
        return self.model(batch)


class Trainer(BaseTrainer):
    """What Ultralytics asks of a trainer: its data, its model and its validation."""

    batches, memory = BATCHES, 0

    def get_dataset(self) -> dict[str, Any]:
        return {"train": None, "val": None, "nc": 1, "names": {0: "line"}, "channels": 3}

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Line:
        return weights

    def setup_model(self) -> Any:
        if self.resume:
            return super().setup_model()
        self.model = Line()
        self.model.full = self.memory
        return None

    def get_dataloader(self, path: Any, batch_size: int = 1, rank: int = 0, mode: str = "") -> Any:
        def collate(parts: Any) -> dict[str, Any]:
            x, y = map(torch.stack, zip(*parts, strict=True))
            return {"img": x, "y": y, "cls": y}

        loader = torch.utils.data.DataLoader(rows(self.batches), batch_size, collate_fn=collate)
        loader.reset = lambda: None
        return loader

    def preprocess_batch(self, batch: Any) -> Any:
        return batch

    def build_optimizer(self, model: Any, **options: Any) -> Recorder:
        weight, bias = model.parameters()
        groups = [{"params": [weight]}, {"params": [bias], "param_group": "bias"}]
        return Recorder(groups, lr=options["lr"])

    def get_validator(self) -> Any:
        def validate(trainer: Any = None, model: Any = None) -> dict[str, Any]:
            self.losses.append(1.0 / (1 + self.epoch) if self.epoch < 2 else 1.0)
            return {"fitness": -self.losses[-1], "val/loss": self.losses[-1]}

        self.losses: list[float] = []
        validate.metrics = types.SimpleNamespace(keys=["val/loss"])
        validate.args = types.SimpleNamespace()
        return validate

    def read_results_csv(self) -> dict[str, Any]:
        return {}  # it would need polars

    def final_eval(self) -> None:
        """Nothing: it takes the optimizer out of the checkpoints, which are looked at."""


def made(folder: Any, batch: int = 1, **overrides: Any) -> Trainer:
    names = {"model": "line.yaml", "data": "line.yaml", "project": str(folder), "name": "run"}
    fixed = {
        "plots": False,
        "amp": False,
        "optimizer": "AdamW",
        "lr0": LR,
        "device": "cpu",
        "exist_ok": True,
    }
    sizes = {"epochs": EPOCHS, "batch": batch, "nbs": batch, "imgsz": 64}
    return Trainer(overrides={**fixed, **sizes, **names, **overrides})


def trained(trainer: Trainer) -> list[float]:
    trainer.train()
    return trainer.optimizer.__dict__["used"]


@pytest.fixture(autouse=True, scope="module")
def quick() -> Iterator[None]:
    """Ultralytics collects garbage behind every epoch: what is there now need not be looked at."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@held("Ultralytics", "rates exact", "its BaseTrainer, with a model of two weights")
def test_every_update_has_its_rate_whatever_nbs(tmp_path: Any) -> None:
    """With `nbs` of one batch and of four; its own warm-up is off, that of the bias too."""
    trainer = attach(made(tmp_path), PLAN)
    assert trained(trainer) == rates()
    assert {group["lr"] for group in trainer.optimizer.param_groups} == {rates()[-1]}
    wide = attach(made(tmp_path, nbs=4), PLAN)
    wide.batches = 4 * BATCHES
    assert trained(wide) == rates()
    assert wide.scheduler.committed == TOTAL
    own = trained(made(tmp_path, warmup_epochs=0, lrf=0.1))  # a rate for each epoch
    same = rw.Piecewise({0: 1, 4: 0.7, 8: 0.4})
    assert trained(attach(made(tmp_path), same)) == pytest.approx(own, rel=1e-12)


@held("Ultralytics", "log right", "results.csv has one rate for an epoch, that of its last update")
def test_the_results_have_the_rate_of_the_last_update(tmp_path: Any) -> None:
    """In `results.csv`, as `lr/pg0`."""
    trainer = attach(made(tmp_path), PLAN)
    trained(trainer)
    with open(trainer.csv, encoding="utf-8") as file:
        told = [float(row["lr/pg0"]) for row in csv.DictReader(file)]
    assert told == pytest.approx(rates()[BATCHES - 1 :: BATCHES], rel=1e-5)


def stopped(folder: Any, at: int, plan: Any = PLAN, **overrides: Any) -> Trainer:
    """A training that ends behind so many epochs, of one or several updates."""
    trainer = attach(made(folder, **overrides), plan)

    def stop(one: Any) -> None:
        one.stop = one.stop or one.epoch + 1 == at

    trainer.add_callback("on_train_epoch_end", stop)
    trainer.train()
    return trainer


@held(
    "Ultralytics",
    "optimizer alone, loaded first",
    "last.pt, which holds it; it saves once an epoch",
)
@held(
    "Ultralytics",
    "optimizer alone, loaded behind",
    "as when it goes back to last.pt for a loss that is no number",
)
def test_the_optimizer_alone_resumes_at_every_update(tmp_path: Any, monkeypatch: Any) -> None:
    """By its own resume, or into the optimizer behind us; here an epoch is one update."""
    total = 6
    monkeypatch.setattr(Trainer, "batches", 1)
    for at in range(1, total):
        first = stopped(tmp_path / str(at), at, epochs=total)
        assert first.optimizer.used == rates(total)[:at]
        saved = torch.load(first.last, weights_only=False)["optimizer"]
        again = attach(Trainer(overrides={"resume": str(first.last)}), PLAN)
        assert trained(again) == rates(total)[at:], at
        late = attach(made(tmp_path / "late", epochs=total), PLAN)
        late.add_callback(
            "on_train_start", lambda one, state=saved: one.optimizer.load_state_dict(state)
        )
        assert trained(late)[: total - at] == rates(total)[at:], at


@held("Ultralytics", "resume by our state", "schedule.json beside the weights, of what listens")
def test_our_state_is_beside_the_weights(tmp_path: Any) -> None:
    """A plateau that was resumed decides as the one that was not."""
    plan = rw.Plateau(metric="val/loss", patience=0, factor=0.5)
    whole = trained(attach(made(tmp_path / "whole", epochs=5), plan))
    first = stopped(tmp_path, 3, plan, epochs=5)
    state = json.loads((first.wdir / "schedule.json").read_text(encoding="utf-8"))
    assert state["committed"] == 3 * BATCHES
    again = attach(Trainer(overrides={"resume": str(first.last)}), plan)
    assert trained(again) == whole[3 * BATCHES :]
    assert len({*whole}) == 3


@held("Ultralytics", "killed and resumed")
def test_a_run_that_was_killed_is_taken_up(tmp_path: Any) -> None:
    """By SIGKILL in the third epoch."""

    def train(die: Any) -> None:
        trainer = attach(made(tmp_path), PLAN)
        trainer.add_callback(
            "on_train_batch_end", lambda one: die() if len(one.optimizer.used) == 10 else None
        )
        trainer.train()

    killed(train)
    last = tmp_path / "run" / "weights" / "last.pt"
    assert trained(attach(Trainer(overrides={"resume": str(last)}), PLAN)) == rates()[8:]


@held("Ultralytics", "metric heard", "what results.csv has, by its names, and fitness")
def test_a_plateau_hears_the_validation(tmp_path: Any) -> None:
    """Once an epoch, and follows what the same losses, shown by hand, decide."""
    plan = rw.Warmup(2) >> rw.Plateau(metric="val/loss", patience=0, factor=0.5)
    trainer = attach(made(tmp_path, epochs=5), plan)
    told = trained(trainer)
    alone = Recorder(line().parameters(), lr=LR)
    by_hand = Scheduler(alone, plan, total=5 * BATCHES)
    for t in range(1, 5 * BATCHES + 1):
        alone.step()
        if t % BATCHES == 0:
            by_hand.observe({"val/loss": trainer.losses[t // BATCHES - 1]})
    assert told == alone.used
    ends = rw.EarlyCool("val/loss", patience=0, decay=2)
    assert len(trained(attach(made(tmp_path, epochs=9), ends))) == 3 * BATCHES + 2


@held("Ultralytics", "YAML", "as a text, such as one of its cfg=… file holds")
def test_a_text_is_the_value(tmp_path: Any) -> None:
    """As it comes out of a file."""
    assert trained(attach(made(tmp_path), TEXT)) == rates()


def test_a_batch_that_is_made_smaller_gets_a_horizon_of_its_own(tmp_path: Any) -> None:
    """The trainer halves the batch where the memory is too small: the schedule still ends."""
    trainer = made(tmp_path, batch=4, nbs=1)
    trainer.batches, trainer.memory = 2 * BATCHES, 4
    assert trained(attach(trainer, PLAN)) == rates()


def test_what_cannot_be_right_is_refused_or_said(tmp_path: Any) -> None:
    """A schedule of its own, an unknown length, a second one, a second writer, a wrong name."""
    with pytest.raises(rw.ScheduleError, match="cos_lr"):
        attach(made(tmp_path, cos_lr=True), PLAN).train()
    with pytest.raises(rw.ScheduleError, match="give epochs"):
        attach(made(tmp_path, time=0.1), PLAN).train()
    with pytest.raises(rw.ScheduleError, match="found a schedule here"):
        attach(attach(made(tmp_path), PLAN), PLAN)
    with pytest.raises(rw.ScheduleError, match=r"attach\(YOLO\(…\), schedule\)"):
        attach(3, PLAN)
    with pytest.raises(rw.ScheduleError, match="did you mean total"):
        attach(made(tmp_path), PLAN, totl=3)
    several = made(tmp_path)
    several.ddp = True
    with pytest.raises(rw.ScheduleError, match="one device"):
        attach(several, PLAN)
    with pytest.raises(rw.ScheduleError, match="val/loss"):
        trained(attach(made(tmp_path), rw.Plateau(metric="val/los", patience=0)))
    trainer = attach(made(tmp_path), PLAN)

    def write(one: Any) -> None:
        one.optimizer.param_groups[0]["lr"] = 1.0

    trainer.add_callback("on_train_batch_end", write)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert trained(trainer) == rates()
    assert sum("set by somebody else" in str(one.message) for one in said) == 1


def pictures(folder: Path) -> Path:
    """Four pictures of noise, each with a box."""
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (folder / kind / split).mkdir(parents=True)
        for i in range(4):
            noise = torch.randint(0, 255, (64, 64, 3), dtype=torch.uint8).numpy()
            assert cv2.imwrite(str(folder / "images" / split / f"{i}.png"), noise)
            (folder / "labels" / split / f"{i}.txt").write_text("0 0.5 0.5 0.4 0.4\n")
    parts = {"path": str(folder), "train": "images/train", "val": "images/val", "names": ["box"]}
    (folder / "data.yaml").write_text(json.dumps(parts))  # which is YAML too
    return folder / "data.yaml"


def test_the_example_trains_a_yolo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ultralytics' own documents have it, with one line more; the network is a whole one.

    Of torchvision it needs one function, which picks among boxes, and polars to read a table.
    """
    if importlib.util.find_spec("torchvision") is None:
        vision = types.ModuleType("torchvision")
        best = types.SimpleNamespace(nms=lambda boxes, scores, iou: scores.argsort()[-1:])
        vision.__version__, vision.ops = "0.0.0", best
        monkeypatch.setitem(sys.modules, "torchvision", vision)
    if importlib.util.find_spec("polars") is None:
        monkeypatch.setitem(sys.modules, "polars", types.ModuleType("polars"))
    monkeypatch.chdir(tmp_path)
    heard, defined = example("ultralytics_yolo.py", pictures(tmp_path / "data"))
    assert heard == planned(defined, 6, 1e-2)
    assert defined["model"].trainer.scheduler.committed == 6
