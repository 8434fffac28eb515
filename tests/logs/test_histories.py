"""Histories of W&B, of Trackio and in JSON are read as they were logged, whole or damaged."""

from __future__ import annotations

import json
import math
import os
import sqlite3
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.audit import audit, recorded
from ratewise.logs import read_curves, series
from ratewise.schedule import ScheduleError
from tests.logs.histories import write_trackio, write_wandb

TOTAL, LR = 400, 1e-3


def rate(t: int) -> float:
    return LR * (1 - t / TOTAL)


def rows(step: str = "_step", count: int = TOTAL) -> list[dict[str, Any]]:
    """A run whose every update logs the rate that it used, some a loss, and what is no number."""
    found: list[dict[str, Any]] = []
    for t in range(count):
        row: dict[str, Any] = {step: t + 1, "train/lr": rate(t), "note": "x", "gpu.0.temp": 50}
        if t % 4 == 0:
            row["train/loss"] = math.nan if t == 8 else 2 / (t + 1)
        found.append(row)
    return found


def wandb_file(folder: Path) -> Path:
    return write_wandb(folder / "run-2026-abc" / "run-abc.wandb", rows())


def wandb_jsonl(folder: Path) -> Path:
    path = folder / "run-2026-abc" / "files" / "wandb-history.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def json_rows(folder: Path) -> Path:
    path = folder / "history.json"
    path.write_text(json.dumps(rows()))
    return path


def json_columns(folder: Path) -> Path:
    """As `run.history().to_json()` of pandas writes it: each column by the rows that it has."""
    names = dict.fromkeys(name for row in rows() for name in row)
    table = {name: {str(i): row[name] for i, row in enumerate(rows()) if name in row}
             for name in names}  # fmt: skip
    path = folder / "columns.json"
    path.write_text(json.dumps(table))
    return path


def wandb_csv(folder: Path) -> Path:
    path = folder / "export.csv"
    head = '"Step","my run - train/lr","my run - train/lr__MIN","my run - train/lr__MAX"'
    lines = [f'"{t + 1}","{rate(t)!r}","{rate(t)!r}","{rate(t)!r}"' for t in range(TOTAL)]
    path.write_text("\n".join([head, *lines]))
    return path


def trackio_database(folder: Path) -> Path:
    return write_trackio(folder / "project.db", {"run a": rows("step")})


def trackio_of_before(folder: Path) -> Path:
    return write_trackio(folder / "older.db", {"run a": rows("step")}, ids=False)


WRITTEN = [
    *(wandb_file, wandb_jsonl, json_rows, json_columns, wandb_csv),
    *(trackio_database, trackio_of_before),
]


@pytest.mark.parametrize("write", WRITTEN, ids=lambda one: one.__name__)
def test_what_was_logged_is_read(write: Any, tmp_path: Path) -> None:
    """Every rate, to the last bit, whether the file is named or its folder; one group, no notes."""
    path = write(tmp_path)
    for place in (path, tmp_path) if write is not json_rows and write is not json_columns else (
        path,
    ):  # fmt: skip
        read = recorded(place)
        assert read.groups == ("",)
        assert read.steps.tolist() == list(range(1, TOTAL + 1))
        assert read.rates[:, 0].tolist() == [rate(t) for t in range(TOTAL)]
        assert read.notes == ()
        assert audit(place, "Linear(to=0)", total=TOTAL, lr=LR).agrees is True
    if write is not wandb_csv:
        (curve,) = read_curves(path)
        assert np.size(curve.steps) == TOTAL // 4 - 1  # a NaN is no loss


@pytest.mark.parametrize("write", [wandb_file, wandb_jsonl], ids=lambda one: one.__name__)
def test_a_file_that_is_cut_is_read_up_to_there(write: Any, tmp_path: Path) -> None:
    """Wherever it ends: the rows before, and a note; or nothing was logged yet, and an error."""
    path = write(tmp_path)
    content = path.read_bytes()
    for cut in np.linspace(1, len(content) - 1, 40).astype(int):
        path.write_bytes(content[:cut])
        try:
            read = recorded(path)
        except ScheduleError:
            assert cut < 400
            continue
        count = len(read.steps)
        assert read.rates[:, 0].tolist() == [rate(t) for t in range(count)]
        assert count >= TOTAL * cut // len(content) - 8
        found = audit(path, "Linear(to=0)", total=TOTAL, lr=LR)
        assert found.agrees is not False


def test_a_byte_that_was_changed_is_seen(tmp_path: Path) -> None:
    """Checksums say so of a `.wandb` file, whichever byte it is."""
    path = wandb_file(tmp_path)
    content = bytearray(path.read_bytes())
    for place in np.linspace(8, len(content) - 200, 20).astype(int):
        damaged = content.copy()
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(ScheduleError, match="damaged"):
            recorded(path)


def test_records_longer_than_a_block_are_put_together(tmp_path: Path) -> None:
    """A row with a long text in it stands in several blocks."""
    long = [{**row, "text": "y" * 90_000} for row in rows(count=6)]
    read = recorded(write_wandb(tmp_path / "long.wandb", long))
    assert read.rates[:, 0].tolist() == [rate(t) for t in range(6)]


def test_nested_numbers_are_columns(tmp_path: Path) -> None:
    """`{"train": {"lr": …}}` is the column train.lr, in each format that nests."""
    told = [{"_step": t, "train": {"lr": rate(t)}} for t in range(9)]
    path = tmp_path / "nested.jsonl"
    path.write_text("\n".join(map(json.dumps, told)))
    store = write_wandb(tmp_path / "a.wandb", [{"_step": t, "train.lr": rate(t)} for t in range(9)])
    for one in (path, store):
        assert recorded(one).rates[:, 0].tolist() == [rate(t) for t in range(9)]


def test_a_run_of_several_is_named(tmp_path: Path) -> None:
    """A database, or an export of a chart, with two runs: one is asked for by its name."""
    head = '"Step","a - lr","a - lr__MIN","a - lr__MAX","b - lr","b - lr__MIN","b - lr__MAX"'
    lines = [f"{t},{rate(t)!r},{rate(t)!r},{rate(t)!r},0.5,0.5,0.5" for t in range(9)]
    chart = tmp_path / "two.csv"
    chart.write_text("\n".join([head, *lines]))
    other = [{"step": t, "lr": 0.5} for t in range(9)]
    both = write_trackio(tmp_path / "two.db", {"a": rows("step", 9), "b": other})
    for path in (chart, both):
        with pytest.raises(ScheduleError, match=r"2 runs \('a', 'b'\)"):
            recorded(path)
        with pytest.raises(ScheduleError, match="known are a, b"):
            recorded(path, named="c")
        assert recorded(path, named="a").rates[:, 0].tolist() == [rate(t) for t in range(9)]
        assert set(recorded(path, named="b").rates[:, 0]) == {0.5}


def test_a_summary_is_one_row_and_accuses_nobody(tmp_path: Path) -> None:
    """`wandb-summary.json` has the last values alone: too little to tell, and that is said."""
    path = tmp_path / "wandb-summary.json"
    told = {"_step": 200, "train/lr": 0.1, "_runtime": 3.5, "_wandb": {"runtime": 3}}
    path.write_text(json.dumps(told))
    found = audit(path, "Linear(to=0)", total=TOTAL, lr=LR)
    assert found.agrees is None
    assert any("last values" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"step": 1, "lr": 0.1}\nxx\nyy\n'),
        ("b.jsonl", "[1, 2]\n[3, 4]\n"),
        ("c.jsonl", "\n\n"),
        ("d.json", "3"),
        ("e.json", "[]"),
        ("f.json", "[1, 2, 3]"),
        ("g.json", '{"a": 1}'),
        ("h.json", '[{"step": 1, "lr": 0.1}, {"st'),
        ("i.json", '[{"loss": 1}]'),
        ("j.json", "[" * 5000),
        ("k.wandb", ":W&B"),
        ("l.db", "SQLite format 3\0 and nothing"),
    ],
)
def test_what_is_no_history_is_refused(name: str, content: str, tmp_path: Path) -> None:
    """One clear error, in the grammar of all, with what to give instead."""
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ScheduleError, match=name):
        recorded(path)


def test_a_database_is_not_trusted(tmp_path: Path) -> None:
    """A view in place of the table, a row that is no JSON, and a file that was cut are refused."""
    view = tmp_path / "view.db"
    with closing(sqlite3.connect(view)) as file, file:
        file.execute("CREATE VIEW metrics AS SELECT 'a' AS run_name, 1 AS step, '{}' AS metrics")
    with pytest.raises(ScheduleError):
        recorded(view)
    path = trackio_database(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ScheduleError):
        recorded(path)
    path.write_bytes(content)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE metrics SET metrics = 'xx' WHERE step = 7")
    with pytest.raises(ScheduleError, match="row 7 is no JSON object"):
        recorded(path)


def test_memory_does_not_grow_with_a_file(tmp_path: Path, monkeypatch: Any) -> None:
    """Of a long history some points are kept, as is said, and it is told how far the reading is."""
    monkeypatch.setattr(series, "MOST_POINTS", 1000)
    path = tmp_path / "long.jsonl"
    with path.open("w") as file:
        for t in range(12_000):
            row = {"_step": t + 1, "lr": rate(t % TOTAL), "pad": "z" * 1500}
            file.write(json.dumps(row) + "\n")
    told: list[tuple[int, int]] = []
    tracemalloc.start()
    try:
        read = recorded(path, progress=lambda done, total: told.append((done, total)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    size = os.path.getsize(path)
    assert size > 15e6
    assert peak < 0.7 * size
    assert told[-1] == (size, size)
    assert len(told) > 3
    assert 500 <= len(read.steps) <= 1002
    assert any("is kept" in note for note in read.notes)


def test_the_library_itself_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    """What W&B writes on this machine, without its server."""
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(project="p", dir=str(tmp_path)) as run:
        for row in rows(count=50):
            run.log({name: one for name, one in row.items() if name != "_step"}, step=row["_step"])
    assert recorded(tmp_path).rates[:, 0].tolist() == [rate(t) for t in range(50)]


def test_a_project_of_trackio_is_read(tmp_path: Path, monkeypatch: Any) -> None:
    """What Trackio's own storage writes."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    try:
        from trackio.sqlite_storage import SQLiteStorage
    except ImportError as error:
        pytest.skip(f"trackio is not all there: {error}")
    told = rows("step", 50)
    SQLiteStorage.bulk_log("p", "run a", told, steps=[row["step"] for row in told])
    assert recorded(tmp_path).rates[:, 0].tolist() == [rate(t) for t in range(50)]
