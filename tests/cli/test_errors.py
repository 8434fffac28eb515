"""Whatever is typed wrong is answered in one line, in the words of the command line."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ratewise import ScheduleError
from ratewise._extras import MissingExtra, require
from ratewise.advise.facts import Facts
from ratewise.cli import app
from ratewise.cli.compare import compare
from ratewise.cli.errors import Options, spoken_errors
from ratewise.schedule.errors import Call, Fix
from tests.cli.test_compare import TASK

AUTO = {"type": "WarmupDecayLR", "params": {"total_num_steps": "auto", "warmup_num_steps": 10}}
FILES = {
    "parabola.py": TASK,
    "broken.json": "{",
    "odd.json": '{"a": 1}',
    "auto.json": json.dumps({"train_batch_size": 8, "scheduler": AUTO}),
    "titan.toml": "[lr_scheduler]\nwarmup_steps = 10\ndecay_ratio = 0.2\n",
    "norate.yaml": "lr_scheduler: cosine\nwarmup_steps: 10\nbase_model: x\n",
    "flags.sh": "--lr 3e-4 --lr-decay-style cosine --lr-decay-samples 9 --train-samples 9",
    "few.csv": "step,loss\n1,2\n2,1\n",
    "noloss.csv": "step,lr,x\n1,2,3\n2,1,3\n",
    "nostep.csv": "lr,loss\n1,2\n2,1\n",
    "log.csv": "step,loss\n" + "".join(f"{i},{2 + 1 / i}\n" for i in range(1, 30)),
}
SHARE = "Warmup('5%') >> Cosine(to=0.1)"
COMPARE = ["compare", "parabola:task", "Hold()", "--total", "9", "--peaks", "1"]
CHOOSE = ["choose", "parabola:task", "--total", "40"]
WRONG: list[list[str]] = [
    ["nothing"],
    ["--nothing"],
    ["show"],
    *(["show", spec] for spec in (SHARE, "Hold()", "Hold(over='3 epochs')", "Cosine()", "", "5")),
    *(["show", spec] for spec in ("Hold(over='3k samples')", "Step(0.1, at='50%')", "Hodl()")),
    *(["show", name] for name in FILES if name.endswith((".json", ".toml", ".yaml", ".sh"))),
    *(["show", "Hold()", "--total", total] for total in ("soon", "0", "5%", "3 epochs")),
    ["show", "Hold()", "--total", "9", "--epoch", "-1"],
    ["show", "Hold()", "--total", "9", "--lr", "-1"],
    ["convert", "Cosine()"],
    ["convert", "Cosine()", "--to", "torch"],
    ["convert", "Cosine()", "--to", "pytorch", "--total", "9"],
    ["convert", "Warmup(5) >> Cosine()", "--to", "deepspeed", "--total", "9"],
    ["convert", "Plan(lr=Hold(), momentum=Hold())", "--to", "deepspeed", "--total", "9"],
    *(["convert", name, "--to", "torch"] for name in ("auto.json", "titan.toml", "odd.json")),
    ["compare"],
    ["compare", "parabola:task", SHARE],
    ["compare", "parabola:task", SHARE, "--total", "100"],
    ["compare", "parabola:task", "Plan(momentum=Hold())", "--total", "9", "--peaks", "1"],
    ["compare", "--resume", "none.db"],
    *([*COMPARE, "--peaks", peaks] for peaks in ("auto", "1,1", "-1", "", "high")),
    *([*COMPARE, "--workers", workers] for workers in ("some", "-1")),
    [*COMPARE, "--engine", "abacus"],
    [*COMPARE, "--address", "there"],
    [*COMPARE, "--engine", "serial", "--workers", "2"],
    [*COMPARE, "--prune", "median"],
    [*COMPARE, "--peaks", "auto", "--prune", "halving"],
    [*COMPARE, "--disk", "much"],
    [*COMPARE, "--metric", "los"],
    [*COMPARE, "--journal", "parabola.py"],
    [*COMPARE, "--seeds", "0"],
    [*COMPARE, "--seeds", "few"],
    [*COMPARE, "--nothing"],
    ["choose"],
    ["choose", "parabola:task", "--total", "soon"],
    *([*CHOOSE, "--budget", budget] for budget in ("0", "10", "81")),
    *([*CHOOSE, "--peaks", peaks] for peaks in ("-1", "high")),
    *([*CHOOSE, "--peaks", "1", spec] for spec in ("Hold() * 0", "Warmup(50) >> Hold()")),
    [*CHOOSE, "--peaks", "1", "Warmup('3 epochs') >> Hold()"],
    [*CHOOSE, "Plan(momentum=Hold())"],
    ["find"],
    ["find", "parabola:task", "--rungs", "3"],
    ["find", "parabola:task", "--lowest", "1", "--highest", "2"],
    ["find", "parabola:task", "--seeds", "0"],
    ["status", "none.db"],
    ["status", "parabola.py"],
    ["advise", "--task", "tuning"],
    ["advise", "--batch-before", "8"],
    ["advise", "--seen", "spike"],
    ["advise", "--beta2", "2"],
    ["recipes", "lorra"],
    ["predict", "none.csv"],
    *(["predict", name] for name in FILES if name.endswith(".csv")),
    *(["predict", "log.csv", "--schedule", spec] for spec in ("Hold()", "Hodl()")),
    ["predict", "log.csv", "--schedule", "Hold()", "--lr", "1", "--law", "powr"],
    ["predict", "log.csv", "--rate", "los"],
    ["predict", "log.csv", "--warmup", "-1"],
]
PYTHON = re.compile(r"\bcall |\b[a-z_]+\([^)]*…|\b(compare|choose|resolve|read|find|fit)\(")
"""A call that was not typed; in the names of schedules, such as `Cosine(…)`, there are capitals."""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "parabola", raising=False)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_an_error_is_one_line_that_names_no_call(words: list[str]) -> None:
    """Exit code 2, who, rule and fix in one line, and nothing that the user has not written."""
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2, result.output
    *before, line = result.stderr.strip().splitlines()
    assert all(": read as " in told or told.startswith("note: ") for told in before)
    assert re.fullmatch(r"error: \S.* .*: \S.*\.", line)
    assert not PYTHON.search(line), line


def test_what_names_a_call_is_seen() -> None:
    """The pattern finds the calls that it is for, and leaves schedules alone."""
    wrong = ["call read it", "give compare(…, total=9)", "resolve(total=0) needs", "attach(lr=…)"]
    assert all(PYTHON.search(text) for text in wrong)
    assert not PYTHON.search("write Cosine(…, over=…), or give --total N")


@pytest.mark.parametrize(
    ("argument", "example", "typed"),
    [
        ("total", "…", "--total N"),
        ("peaks", "[3e-4, 1e-3, 3e-3]", "--peaks 3e-4,1e-3,3e-3"),
        ("workers", '"auto"', "--workers auto"),
        ("seeds", "…", "--seeds N"),
        ("total", "'3 epochs'", "--total '3 epochs'"),
        ("checkpoint_every", "60", "checkpoint_every=60"),
    ],
)
def test_an_argument_is_told_as_an_option(argument: str, example: str, typed: str) -> None:
    """In its own placeholder or as it is typed; in Python where the command has no such option."""
    assert Options.of(compare).argument(argument, example) == typed


def test_what_is_at_fault_is_an_option_or_the_command() -> None:
    """One error speaks of `compare(seeds=0)` in Python, and of `--seeds 0` where it is typed."""
    fix = Fix("give {seeds}", seeds="3")
    error = ScheduleError(Call("compare", "seeds", 0), "needs a seed", fix)
    assert str(error) == "compare(seeds=0) needs a seed: give seeds=3."
    error.context = Options.of(compare)
    assert str(error) == "--seeds 0 needs a seed: give --seeds 3."
    whole = ScheduleError(Call("compare"), "needs a seed", fix)
    whole.context = error.context
    assert whole.who == "ratewise compare"
    inside = ScheduleError(Call("resolve", "total", 0), "is 0", "give 1").within(
        Call("compare", item="cos")
    )
    assert inside.who == "compare({'cos': …}): resolve(total=0)"
    inside.context = error.context
    assert inside.who == "'cos': --total 0"


def test_a_fact_at_fault_is_told_as_a_fact_in_python() -> None:
    """What the command line says of options is said of arguments elsewhere."""
    with pytest.raises(ScheduleError) as caught:
        Facts(batch_before=8)
    assert caught.value.who == "Facts(batch_before=8)"
    assert caught.value.fix == "give batch=… too"


def test_a_missing_extra_is_told_by_its_class(capsys: pytest.CaptureFixture[str]) -> None:
    """It carries what is missed and what brings it; another ImportError passes."""
    with pytest.raises(MissingExtra) as caught:
        require("nothing_of_this_name", extra="plot")
    assert (caught.value.module, caught.value.extra) == ("nothing_of_this_name", "plot")
    with pytest.raises(Exception) as left, spoken_errors(Options()):  # noqa: PT011
        require("nothing_of_this_name", extra="plot")
    assert getattr(left.value, "exit_code", None) == 2
    assert "pip install 'ratewise[plot]'" in capsys.readouterr().err
    with pytest.raises(ImportError, match="mine"), spoken_errors(Options()):
        raise ImportError("mine: pip install 'ratewise[plot]'")
