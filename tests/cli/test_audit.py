"""`ratewise audit`: from a log to a verdict, an exit code, a figure or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import ratewise as rw
from ratewise.cli import app

SPEC = "Warmup(50, start=0) >> Cosine(to=0.1)"
PLAN: Any = rw.parse(SPEC).resolve(total=500)
STEPS = np.arange(10, 501, 10)


def written(path: Path, steps: object, rates: object) -> Path:
    rows = zip(np.asarray(steps).tolist(), np.asarray(rates).tolist(), strict=True)
    path.write_text("step,lr\n" + "".join(f"{step},{rate!r}\n" for step, rate in rows))
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, words)])


@pytest.fixture
def right(tmp_path: Path) -> Path:
    return written(tmp_path / "right.csv", STEPS, 1e-3 * PLAN(STEPS - 1))


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    return written(tmp_path / "wrong.csv", STEPS, 1e-3 * PLAN(3 * (STEPS - 1)))


def test_a_run_as_meant_ends_with_0(right: Path) -> None:
    """Agreement is said, and is no failure."""
    result = run(right, "--plan", SPEC, "--total", 500, "--lr", 1e-3)
    assert result.exit_code == 0, result.output
    assert "The run used the rates that were meant." in result.output


def test_a_run_that_departs_ends_with_4(wrong: Path, tmp_path: Path) -> None:
    """With the cause in words, as JSON, and in a figure."""
    told = ("--plan", SPEC, "--total", 500, "--lr", 1e-3)
    figure = tmp_path / "figure.png"
    result = run(wrong, *told, "--save", figure)
    assert result.exit_code == 4, result.output
    assert "steps per update (k 3)" in result.output
    assert figure.stat().st_size > 5_000
    result = run(wrong, *told, "--json")
    assert result.exit_code == 4
    assert json.loads(result.output)["causes"][0]["parameters"]["k"] == 3


def test_a_log_that_cannot_tell_ends_with_5(tmp_path: Path) -> None:
    """It is neither right nor wrong."""
    log = written(tmp_path / "two.csv", [100, 400], 1e-3 * PLAN(np.array([99, 399])))
    result = run(log, "--plan", SPEC, "--total", 500, "--lr", 1e-3)
    assert result.exit_code == 5, result.output
    assert "log the rate every" in result.output


def test_the_plan_may_be_a_config(wrong: Path, right: Path, tmp_path: Path) -> None:
    """A file that `convert` reads brings its own total and rate."""
    config = tmp_path / "args.json"
    values = {"lr_scheduler_type": "cosine_with_min_lr", "warmup_steps": 50, "max_steps": 500}
    values |= {"learning_rate": 1e-3, "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}
    config.write_text(json.dumps(values))
    assert run(right, "--plan", config).exit_code == 0
    assert run(wrong, "--plan", config).exit_code == 4


def test_bad_input_is_one_line(tmp_path: Path, right: Path) -> None:
    """A file that is none, a plan that is none, a log without rates."""
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    rateless = tmp_path / "rateless.csv"
    rateless.write_text("step,loss\n1,2\n")
    for words in (
        (tmp_path / "no.csv",),
        (empty, "--plan", SPEC),
        (rateless,),
        (right, "--plan", "Cos("),
    ):
        result = run(*words)
        assert result.exit_code == 2, result.output
        assert result.output.startswith("error: ")
        assert "Traceback" not in result.output
