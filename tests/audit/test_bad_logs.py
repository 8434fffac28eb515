"""Logs that are cut, foreign or damaged: an answer or one clear error, and nobody is accused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.audit import audit
from ratewise.audit.fixes import FIXES, fix_of
from ratewise.schedule import ScheduleError
from tests.logs.histories import write_trackio, write_wandb

SPEC, TOTAL, LR = "Warmup(30, start=0) >> Cosine(to=0.1)", 300, 3e-4
COUNTS = np.arange(5, TOTAL + 1, 5)


def rates() -> list[float]:
    schedule = rw.parse(SPEC)
    assert isinstance(schedule, rw.Schedule)
    return (LR * schedule.resolve(total=TOTAL)(COUNTS - 1)).tolist()


def rows(step: str, rate: str) -> list[dict[str, Any]]:
    return [{step: int(c), rate: r, "loss": 1.0} for c, r in zip(COUNTS, rates(), strict=True)]


def csv(folder: Path) -> Path:
    path = folder / "log.csv"
    lines = [f"{row['step']},{row['lr']!r},1.0" for row in rows("step", "lr")]
    path.write_text("\n".join(["step,lr,loss", *lines]) + "\n")
    return path


def state(folder: Path) -> Path:
    path = folder / "trainer_state.json"
    told = {"global_step": TOTAL, "max_steps": TOTAL, "log_history": rows("step", "learning_rate")}
    path.write_text(json.dumps(told))
    return path


def events(folder: Path) -> Path:
    writer = pytest.importorskip("tensorboardX").SummaryWriter(str(folder), write_to_disk=True)
    with writer:
        for row in rows("step", "lr"):
            writer.add_scalar("train/lr", row["lr"], row["step"])
    return next(folder.iterdir())


def wandb(folder: Path) -> Path:
    return write_wandb(folder / "run-a.wandb", rows("_step", "lr"))


def trackio(folder: Path) -> Path:
    return write_trackio(folder / "a.db", {"a": rows("step", "lr")})


@pytest.mark.parametrize("write", [csv, state, events, wandb, trackio], ids=lambda f: f.__name__)
def test_a_right_log_is_not_accused_wherever_it_is_cut(write: Any, tmp_path: Path) -> None:
    """Every part of it is an answer or an error of ours; whole, it agrees."""
    path = write(tmp_path)
    content = path.read_bytes()
    assert audit(path, SPEC, total=TOTAL, lr=LR).agrees is True
    answers = 0
    for cut in np.linspace(0, len(content) - 1, 25).astype(int):
        path.write_bytes(content[:cut])
        try:
            found = audit(path, SPEC, total=TOTAL, lr=LR)
        except ScheduleError:
            continue
        answers += 1
        assert found.agrees is not False, (cut, str(found))
    assert answers >= 10 or write in (state, trackio)  # a whole JSON, a whole database


@pytest.mark.parametrize("name", ["a.csv", "trainer_state.json", "a.jsonl", "a.wandb", "a.db"])
def test_foreign_files_are_refused(name: str, tmp_path: Path) -> None:
    """Nothing, zeros, an archive, a picture, a text: one error that names the file."""
    path = tmp_path / name
    archive = tmp_path / "archive.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("log.csv", "step,lr\n1,0.1\n")
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    for content in (b"", b"\0" * 5000, archive.read_bytes(), picture, b"Dear diary,\nnothing.\n"):
        path.write_bytes(content)
        with pytest.raises(ScheduleError, match=name):
            audit(path, SPEC, total=TOTAL, lr=LR)


@settings(max_examples=60)
@given(
    content=st.binary(max_size=300), begin=st.sampled_from([b"", b"step,lr\n", b'{"step":', b"["])
)
def test_any_bytes_are_an_answer_or_our_error(
    content: bytes, begin: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever is in a file, nothing but a ScheduleError is raised, and nobody is accused."""
    path = tmp_path_factory.getbasetemp() / "any.log"
    path.write_bytes(begin + content)
    try:
        found = audit(path, "Linear(to=0)", total=TOTAL, lr=LR)
    except ScheduleError:
        return
    assert found.agrees is not False or len(found.recorded.steps) >= 3


def test_every_cause_is_advised_of_in_each_framework() -> None:
    """Advice in the words of PyTorch, the Trainer and Keras; what steps PyTorch's has those."""
    for kind, fixes in FIXES.items():
        assert {"", "torch", "transformers", "keras"} <= set(fixes), kind
        for framework in ("accelerate", "lightning"):
            told = fix_of(kind, framework, {})
            assert told == fix_of(kind, framework if framework in fixes else "torch", {})
