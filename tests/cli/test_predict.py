"""`ratewise predict`: from logs to a ranking, a picture, a figure, a folder or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ratewise as rw
from ratewise.choose import read_curves
from ratewise.cli import app
from ratewise.predict.forecast import FREE, SHAPES, behind, forecast, warmup_of
from tests.predict.curves import DATA, TRAIN

LOGS = [str(DATA / "csv_25" / f"{name}.csv") for name in TRAIN]
FAST = ["--law", "momentum", "--warmup", "2160"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["predict", *words])


def log(name: str, **columns: Any) -> str:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(),
                                                                         strict=True))]  # fmt: skip
    Path(name).write_text("\n".join(lines), encoding="utf-8")
    return name


def test_the_usual_shapes_are_ranked_without_being_asked_for() -> None:
    """Behind the runs' own warm-up, at their peak and length, with the best of any form."""
    result = run(*LOGS, *FAST, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    told = found["predictions"]
    assert {one["name"] for one in told} == {*SHAPES, FREE}
    assert [one["loss"] for one in told] == sorted(one["loss"] for one in told)
    assert all(one["low"] < one["loss"] < one["high"] for one in told)
    assert all(one["peak"] == 3e-4 and one["total"] == 23936 for one in told)
    assert all(one["schedule"].startswith("Warmup(215") for one in told)
    assert [one["name"] for one in found["runs"]] == list(TRAIN)


def test_what_was_read_is_said_before_what_it_means() -> None:
    """Runs, the column, the law, a picture, the table and the advice, in this order."""
    result = run(*LOGS, *FAST)
    assert result.exit_code == 0, result.output
    parts = ["read cosine_24000: 171 points", "losses are from loss", "the law 'momentum' fitted"]
    parts += ["dots: measured", "90 % interval", "The best is “", "No law foresees"]
    places = [result.output.index(part) for part in parts]
    assert places == sorted(places)
    assert max(map(len, result.output.splitlines())) <= 120


def test_candidates_and_peaks_that_were_asked_for() -> None:
    """SPECs behind `--candidates`, or each behind one of its own; notes say what is far off."""
    specs = ["--candidates", "wsd=Warmup(2160) >> Hold() >> Linear(to=0, over='10%')"]
    more = ["Warmup(2160) >> Cosine(to=0)", "--candidates", "flat=Warmup(2160) >> Hold()"]
    options = ["--peaks", "3e-4,6e-4", "--total", "30k", "--json"]
    result = run(*LOGS, *FAST, *specs, *more, *options)
    assert result.exit_code == 0, result.output
    told = json.loads(result.output)["predictions"]
    names = {"wsd", "flat", "Warmup(2160) >> Cosine(to=0)"}
    assert {(one["name"], one["peak"]) for one in told} == {
        (n, p) for n in names for p in (3e-4, 6e-4)
    }
    assert all(one["total"] == 30_000 for one in told)
    assert all("longer than 23,936" in " ".join(one["notes"]) for one in told)
    assert all(("above 0.0003" in " ".join(one["notes"])) == (one["peak"] == 6e-4) for one in told)


def test_files_are_written_where_they_were_asked_for() -> None:
    result = run(*LOGS, *FAST, "--out", "results", "--figure", "curves.svg")
    assert result.exit_code == 0, result.output
    assert Path("curves.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert Path("results/figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(json.loads(Path("results/results.json").read_text())["predictions"]) == 7


def test_a_log_without_rates_and_its_schedule() -> None:
    """`--schedule` with `--lr` says what it was trained with; without, both ways out are named."""
    steps = np.arange(1, 41) * 25
    path = log("a.csv", step=steps, loss=2 + 3 / np.sqrt(steps))
    result = run(path)
    assert result.exit_code == 2
    assert "--rate NAME" in result.output
    assert "--schedule SPEC" in result.output
    result = run(path, "--schedule", "Warmup(50) >> Linear(to=0)", "--lr", "1e-3", "--json")
    assert result.exit_code == 0, result.output
    assert all(one["peak"] == 1e-3 for one in json.loads(result.output)["predictions"])


def test_runs_that_broke_are_left_out_and_said() -> None:
    steps = np.arange(1, 41) * 25
    rates = 1e-3 * np.linspace(1, 0.1, 40)
    good = log("good.csv", step=steps, lr=rates, loss=2 + 3 / np.sqrt(steps))
    bad = log("bad.csv", step=steps, lr=[1e-1] * 40, loss=[*range(20, 40)] + ["nan"] * 20)
    log("flat.csv", step=steps, lr=[1e-3] * 40, loss=[3.0] * 40)
    result = run(good, bad, "flat.csv", "--law", "momentum")
    assert result.exit_code == 0, result.output
    assert "bad is left out: its loss became infinite" in result.output
    assert "flat.csv' is left out: it has a constant loss" in " ".join(result.output.split())
    assert "read bad" not in result.output
    assert run("flat.csv").output.startswith("error: Log 'flat.csv' has a constant loss")


def test_a_law_that_is_blind_to_rates_has_no_best_form() -> None:
    result = run(LOGS[0], "--law", "power", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.output)
    assert len(found["predictions"]) == len(SHAPES)
    assert any("does not depend on the rates" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nowhere.csv"], "is not found"),
        ([LOGS[0], "--rate", "lrr"], "did you mean lr"),
        ([LOGS[0], "--law", "powr"], "did you mean power"),
        ([LOGS[0], "--candidates", "Cosin(to=0)"], "did you mean Cosine"),
        ([LOGS[0], "--candidates", "Warmup(50000) >> Hold()"], "does not fit"),
        ([LOGS[0], "--total", "3 epochs"], "is no number of updates"),
        ([LOGS[0], "--peaks", "high"], "is not a list of learning rates"),
        ([LOGS[0], "--figure", "curves.txt"], "is no kind of figure"),
        ([LOGS[0], "--out", "."], None),
    ],
)
def test_what_cannot_be_is_one_line(words: list[str], why: str | None) -> None:
    """Exit code 2 and one line that says what to write; nothing is written."""
    if why is None:
        Path("kept.txt").touch()
        why = "is there already"
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("error: ")
    assert len(result.output.strip().splitlines()) == 1
    assert why in result.output


def test_a_forecast_from_python() -> None:
    """`forecast` is the command without the words; a figure needs no file."""
    curves = read_curves(LOGS[:2], warmup=2160)
    assert 2150 <= warmup_of(curves) <= 2160
    found = forecast(curves, {"flat": rw.Warmup(100) >> rw.Hold()}, law="momentum")
    assert found.schedules == {"flat": "Warmup(100) >> Hold()"}
    assert found.table().splitlines()[1].startswith("flat")
    assert len(found.figure().axes) == 2
    assert len(found.fit.figure().axes) == 2
    for text in behind(10).values():
        rw.parse(text).resolve(100)
