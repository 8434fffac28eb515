"""Damaged logs: the same curve, or it is said what is wrong; nothing else.

Event files carry checksums, so that no damage goes unseen: what is read of one is what was
written, up to where it ends. In CSV and JSON a number that became another number cannot be told;
everything else has to be.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.logs.reading import LogCurves, read_logs
from tests.fuzz.tool import Tally, broken, cases

N = 30
STEPS = np.arange(1, N + 1) * 5
RATES = np.minimum(STEPS / 50, 1) * 1e-3
LOSSES = 2 + 1 / np.sqrt(STEPS)
NUMBERS = [(int(t), float(r), float(x)) for t, r, x in zip(STEPS, RATES, LOSSES, strict=True)]


def csv_log() -> bytes:
    return "".join(["step,lr,loss\n", *(f"{t},{r:.6g},{x:.6f}\n" for t, r, x in NUMBERS)]).encode()


def state_log() -> bytes:
    rows: list[Any] = []
    for t, rate, loss in NUMBERS:
        rows.append(
            {"epoch": t / 100, "grad_norm": 1.5, "learning_rate": rate, "loss": loss, "step": t}
        )
        if t % 25 == 0:
            rows.append({"epoch": t / 100, "eval_loss": loss + 1, "eval_runtime": 1.0, "step": t})
    state = {"best_metric": None, "epoch": 3.0, "global_step": 300, "log_history": rows}
    return json.dumps(state | {"max_steps": 300}, indent=2).encode()


def event_log(folder: Path) -> bytes:
    writer: Any = pytest.importorskip("tensorboardX").SummaryWriter(str(folder))
    for t, rate, loss in NUMBERS:
        writer.add_scalar("train/loss", loss, t)
        writer.add_scalar("train/lr", rate, t)
        if t % 30 == 0:
            writer.add_histogram("weights", np.arange(t), t)
            writer.add_text("said", "something", t)
    writer.close()
    (path,) = folder.iterdir()
    return path.read_bytes()


def fair_csv(content: bytes) -> bool:
    """Whether it could have been written so: a header, and three numbers in every line."""
    lines = content.decode("utf-8", errors="replace").splitlines()
    rows = [line.split(",") for line in lines if line]
    numbers = [cell for row in rows[1:] for cell in row]
    return all(len(row) == 3 for row in rows) and all(map(is_number, numbers))


def is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


KEYS = [{"epoch", "grad_norm", "learning_rate", "loss", "step"},
        {"epoch", "eval_loss", "eval_runtime", "step"}]  # fmt: skip


def fair_state(content: bytes) -> bool:
    """Whether it could have been written so: the keys of a Trainer in every entry, and numbers.

    Numbers that no curve is made of may be named otherwise.
    """
    try:
        rows = json.loads(content)["log_history"]
        asked = {"learning_rate", "loss", "step", "eval_loss"}
        fair = {frozenset(keys & asked) for keys in KEYS}
        return all(
            frozenset(set(row) & asked) in fair
            and all(isinstance(row[key], int | float) for key in set(row) & asked)
            for row in rows
        )
    except Exception:
        return False


def is_prefix(found: LogCurves, whole: LogCurves) -> bool:
    """Whether all points are those of the whole log, up to the last; the last rate may be late."""
    (one,), (other,) = found.curves, whole.curves
    n = len(np.asarray(one.steps))
    same = [np.array_equal(np.asarray(getattr(one, name))[: n - late],
                           np.asarray(getattr(other, name))[: n - late])
            for name, late in (("steps", 0), ("losses", 0), ("rates", 1))]  # fmt: skip
    return all(same)


def is_same(found: LogCurves, whole: LogCurves) -> bool:
    (one,), (other,) = found.curves, whole.curves
    return found.loss == whole.loss and np.array_equal(one.every_rate, other.every_rate) and all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("steps", "losses")
    )  # fmt: skip


Fair = Callable[[bytes], bool]


def attack(name: str, content: bytes, folder: Path, fair: Fair) -> None:
    path = folder / name
    path.write_bytes(content)
    whole = read_logs(path)
    assert whole.notes == ()
    tally = Tally(f"logs: {name}")
    for source in cases(name):
        bad = broken(content, source)
        path.write_bytes(bad)
        found = tally.attack(bad, lambda: read_logs(path))
        if found is None or is_same(found, whole):
            continue
        if fair is boundary:
            assert is_prefix(found, whole), bad
        told = any(path.stem in note for note in found.notes)
        assert told or found.loss != whole.loss or fair(bad), (found.notes, bad)
    tally.close()


def test_damaged_csv(tmp_path: Path) -> None:
    """Lines that are no lines of it any more are told of, whatever they have become."""
    attack("log.csv", csv_log(), tmp_path, fair_csv)


def test_damaged_states(tmp_path: Path) -> None:
    """An entry or a key that is lost is told of."""
    attack("trainer_state.json", state_log(), tmp_path, fair_state)


def boundary(content: bytes) -> bool:
    """Whether an event file ends behind a whole record: what is missing then, nobody can tell."""
    at = 0
    while at < len(content):
        at += 16 + int.from_bytes(content[at : at + 8], "little")
    return at == len(content)


def test_damaged_event_files(tmp_path: Path) -> None:
    """What is read is what was written, up to where the file ends."""
    content = event_log(tmp_path / "whole")
    attack("events.out.tfevents.1.host", content, tmp_path, boundary)
