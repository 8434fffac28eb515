"""CSV logs of all kinds, and what is no log."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import read_curves
from ratewise.logs.reading import read_logs
from ratewise.logs.table import ordered
from tests.predict.curves import DATA

T = np.arange(1, 21) * 5
LOSSES = 2 + 1 / np.sqrt(T)
RATES = np.linspace(1e-3, 1e-4, 20)
SEVENTHS = st.integers(1, 10**6).map(lambda n: n / 7)
HERE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)


def written(path: Path, columns: dict[str, Any], separator: str = ",") -> Path:
    """Write columns as CSV; None is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def usual(**more: Any) -> dict[str, Any]:
    return {"step": T.tolist(), "lr": RATES.tolist(), "loss": LOSSES.tolist(), **more}


def test_the_published_curves() -> None:
    """The reference data are read to the last digit, with a name for each file."""
    curves = read_curves(DATA / "csv_25", warmup=2160)
    assert len(curves) == 9
    (one,) = [curve for curve in curves if curve.name == "cosine_24000"]
    table = np.loadtxt(DATA / "csv_25" / "cosine_24000.csv", delimiter=",", skiprows=1)
    assert np.array_equal(one.steps, table[:, 0])
    assert np.array_equal(one.losses, table[:, 2])
    assert one.every_rate[1079] == pytest.approx(one.every_rate[2159] / 2)


@HERE
@given(
    separator=st.sampled_from([",", ";", "\t", "|", " "]),
    names=st.sampled_from(
        [("step", "lr", "loss"), ("Global_Step", "learning_rate", "train/loss"),
         ("iter", "Learning-Rate", "Val.Loss"), ("Step", "run - train/lr", "run - eval/loss")]
    ),
    order=st.permutations(range(3)),
    losses=st.lists(SEVENTHS, min_size=8, max_size=40, unique=True),
    start=st.integers(1, 10**6),
    every=st.integers(1, 1000),
)  # fmt: skip
def test_what_was_written_is_read(
    tmp_path: Path,
    separator: str,
    names: tuple[str, ...],
    order: list[int],
    losses: list[float],
    start: int,
    every: int,
) -> None:
    """Any separator, any usual names, any order of columns: the same numbers to the bit."""
    steps = [start + every * i for i in range(len(losses))]
    rates = np.geomspace(1e-3, 1e-5, len(losses)).tolist()
    values = dict(zip(names, (steps, rates, losses), strict=True))
    if separator == " ":
        values = {name.rpartition(" ")[2]: value for name, value in values.items()}
    path = written(tmp_path / "log.csv", {list(values)[i]: list(values.values())[i] for i in order},
                   separator)  # fmt: skip
    (curve,) = read_curves(path)
    assert curve.steps.tolist() == steps
    assert curve.losses.tolist() == losses
    assert np.allclose(curve.every_rate[np.array(steps) - 1], rates, rtol=1e-12, atol=0)


@HERE
@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1)), max_size=60))
def test_steps_end_up_rising(points: list[tuple[int, float]]) -> None:
    """Whatever the order, steps rise strictly, and a step has the value that was written last."""
    steps = np.array([float(step) for step, _ in points])
    values = np.array([value for _, value in points])
    kept, found, replaced = ordered(steps, values)
    assert (np.diff(kept) > 0).all()
    assert len(kept) + replaced == len(points)
    last = dict(points)
    assert all(last[int(step)] == value for step, value in zip(kept, found, strict=True))


def test_cells_that_are_empty(tmp_path: Path) -> None:
    """A metric in some rows only has rates from between the others."""
    losses = [loss if i % 2 else None for i, loss in enumerate(LOSSES)]
    rates = [None if i % 2 else rate for i, rate in enumerate(RATES)]
    (curve,) = read_curves(written(tmp_path / "a.csv", usual(lr=rates, val_loss=losses)))
    assert curve.steps.tolist() == T[1::2].tolist()
    assert np.allclose(curve.every_rate[T[1:-1] - 1], RATES[1:-1])


def test_validation_comes_first_where_there_is_enough(tmp_path: Path) -> None:
    """Eight points of every run; with fewer anywhere, all are judged by training."""
    few = [3.0 - i / 10 if i < 5 else None for i in range(20)]
    enough = [3.0 - i / 10 if i < 8 else None for i in range(20)]
    one = written(tmp_path / "one.csv", usual(val_loss=enough))
    other = written(tmp_path / "other.csv", usual(val_loss=few))
    assert read_logs(one).loss == ("val_loss",)
    assert read_logs([one, other]).loss == ("loss",)
    with pytest.raises(rw.ScheduleError, match="has 5 points with val_loss"):
        read_curves(other, loss="val_loss")
    reading = read_logs([one, other], loss="val_loss")
    assert len(reading.curves) == 1
    assert "is left out" in reading.notes[-1]


def test_columns_by_their_names(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", {"when": T, "how": RATES, "what": LOSSES})
    (curve,) = read_curves(path, step="when", rate="how", loss="what")
    assert curve.losses.tolist() == LOSSES.tolist()


def test_rates_from_a_schedule(tmp_path: Path) -> None:
    """A log without rates is read with what it was trained with."""
    path = written(tmp_path / "a.csv", {"step": T, "loss": LOSSES})
    plan = rw.Warmup(10) >> rw.Cosine(to=0)
    (curve,) = read_curves(path, schedule=plan, lr=3e-4)
    assert np.array_equal(curve.every_rate, 3e-4 * plan.resolve(100).values())
    with pytest.raises(rw.ScheduleError, match="give its peak"):
        read_curves(path, schedule=plan)


def test_a_warm_up_is_seen_in_the_first_rows(tmp_path: Path) -> None:
    """Rates that rise from the first row on came from 0 in a straight line."""
    rates = np.minimum(T / 40, 1.0) * 1e-3
    (curve,) = read_curves(written(tmp_path / "a.csv", usual(lr=rates)))
    assert np.allclose(curve.every_rate, np.minimum(np.arange(1, 101) / 40, 1.0) * 1e-3)
    (flat,) = read_curves(written(tmp_path / "b.csv", usual(lr=[1e-3] * 20)))
    assert (flat.every_rate == 1e-3).all()


def test_semicolons_with_decimal_commas(tmp_path: Path) -> None:
    lines = ["step;lr;loss"]
    for t, rate, loss in zip(T, RATES, LOSSES, strict=True):
        lines.append(f"{t};{rate:.8f};{loss:.8f}".replace(".", ","))
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8-sig")
    (curve,) = read_curves(tmp_path / "a.csv")
    assert np.allclose(curve.losses, LOSSES, atol=1e-8)


def test_a_loss_that_ends_as_no_number_has_diverged(tmp_path: Path) -> None:
    """NaN between numbers is left out; NaN to the end is divergence, not a short run."""
    losses: list[Any] = LOSSES.tolist()
    losses[3] = "nan"
    (curve,) = read_curves(written(tmp_path / "a.csv", usual(loss=losses)))
    assert len(curve.steps) == 19
    assert not curve.diverged
    (curve,) = read_curves(written(tmp_path / "b.csv", usual(loss=[*losses[:12], *["nan"] * 8])))
    assert curve.diverged == "its loss became infinite"


def test_a_resumed_log_replaces_what_it_repeats(tmp_path: Path) -> None:
    """From where it goes back, what was written before is gone, also steps it does not repeat."""
    again = {"step": [*range(1, 31), *range(21, 60, 2)]}
    again |= {"lr": [1e-3] * 50, "loss": [*np.linspace(5, 4, 30), *np.linspace(3, 2, 20)]}
    reading = read_logs(written(tmp_path / "a.csv", again))
    (curve,) = reading.curves
    assert curve.steps.tolist() == [*range(1, 21), *range(21, 60, 2)]
    assert curve.losses[20] == 3.0
    assert "a: 10 points were written again later" in reading.notes


BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "blank": (b"\n  \n", "is empty"),
    "header": (b"step,lr,loss\n", "nothing below"),
    "headless": (b"1,0.1,3\n2,0.1,2\n", "no header"),
    "huge": (b"step,lr,loss\n1,0.1," + b"3" * 140_000, "has 0 points with loss"),
    "long": (b"step,lr,loss\n1,0.1," + b"3" * 2_500_000, "a line behind byte 13 has more than"),
    "quoted": (
        b"step,lr,loss\n" + b"1,0.1,3\n" * 9 + b'2,0.1,"3\n' + b"3,0.1,2\n" * 9,
        "is no CSV",
    ),
    "headline": (b'"step,lr,loss\n1,0.1,3\n', "is no CSV .* in its first line"),
    "wide": (",".join(f"c{i}" for i in range(500)).encode() + b"\n1", "c19 and 480 more: "),
    "garbage": (bytes(range(256)) * 4, "no log of a known format"),
    "latin": (b"step,lr,loss\n1,\xe9,2\n", "no log of a known format"),
    "steps": (b"epoch,lr,loss\n1,0.1,3\n", "no column of updates but epoch; it has epoch"),
    "losses": (b"step,lr,accuracy\n1,0.1,3\n", "no column of losses; it has step, lr, accuracy"),
    "short": (b"step,lr,loss\n1,0.1,3\n", "has 1 points with loss, too few"),
    "json": (b'{"log_history": [{"step": 1', "cut off or no JSON"),
    "deep": (b'{"a":' + b"[" * 200_000, "cut off or no JSON"),
    "other": (b'{"hidden_size": 16}', "has no log_history"),
    "sqlite": (b"SQLite format 3\0" + b"x" * 200, "cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_log_is_refused(tmp_path: Path, name: str) -> None:
    """Each in one line that says what is wrong with it."""
    content, why = BAD[name]
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(rw.ScheduleError, match=why):
        read_curves(tmp_path / "log")


@pytest.mark.parametrize(
    ("columns", "options", "why"),
    [
        ({"step": T, "loss": LOSSES}, {}, r"no column of learning rates.*schedule=…"),
        (usual(), {"rate": "lrr"}, "rate='lrr'.* is no column of .*did you mean lr"),
        (usual(), {"loss": "score"}, "it has step, lr, loss"),
        (usual(lr=[None] * 20), {}, "no number in lr"),
        (usual(lr=-RATES), {}, "learning rate of -0.001"),
        (usual(step=T * 10**8), {}, "cannot be updates"),
        (usual(step=T + 0.5), {}, "no whole numbers"),
        (usual(), {"schedule": "Cosine(to=0, over=50)", "lr": 1.0}, None),
    ],
)
def test_columns_that_cannot_be(tmp_path: Path, columns: Any, options: Any, why: str) -> None:
    path = written(tmp_path / "a.csv", columns)
    if why is None:
        assert read_curves(path, **options)[0].every_rate[-1] == 0
        return
    with pytest.raises(rw.ScheduleError, match=why):
        read_curves(path, **options)


def test_a_folder_says_what_it_could_not_read(tmp_path: Path) -> None:
    """One good log is enough; the others are told of. Without any, the folder's names are."""
    written(tmp_path / "good.csv", usual())
    (tmp_path / "bad.csv").write_text("", encoding="utf-8")
    reading = read_logs(tmp_path)
    assert len(reading.curves) == 1
    assert any("bad.csv" in note and "is empty" in note for note in reading.notes)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "model.bin").touch()
    with pytest.raises(rw.ScheduleError, match=r"holds no log, but model\.bin"):
        read_curves(tmp_path / "none")
    with pytest.raises(rw.ScheduleError, match="is not found"):
        read_curves(tmp_path / "nowhere")
