"""What a config will really do is said before training, and what is meant is left alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import ratewise as rw
from ratewise.audit.check import Check, PeakRange, check
from ratewise.cli.app import app
from ratewise.schedule.lengths import updates_in

TRAINER = {"learning_rate": 5e-5, "lr_scheduler_type": "cosine", "warmup_steps": 100}


def kinds(found: Check, minor: bool = False) -> set[str]:
    return {trap.kind for trap in found.traps if minor or not trap.minor}


def deepspeed(total: int, warmup: int = 100) -> dict[str, Any]:
    params = {"total_num_steps": total, "warmup_max_lr": 1e-4, "warmup_num_steps": warmup}
    return {"scheduler": {"type": "WarmupDecayLR", "params": params}}


@pytest.mark.parametrize(
    ("source", "told", "kind"),
    [
        ({**TRAINER, "max_steps": 80}, {}, "peak_not_reached"),
        ("Warmup(1000, start=0) >> Hold()", {"total": 1010}, "peak_not_reached"),
        ("Warmup(10) >> Cosine(to=0, over=1000)", {"total": 500}, "ends_after_run"),
        ("Cosine(to=0.1, over=1000)", {"total": 1500}, "ends_before_run"),
        (deepspeed(8000), {"total": 1000, "accumulation": 8}, "ends_after_run"),
        (deepspeed(250), {"total": 1000, "processes": 4}, "ends_before_run"),
        ({**TRAINER, "max_steps": 5000}, {"total": 3000}, "total_mismatch"),
        ("Repeat(Cosine(to=0), every=4000)", {"total": 1500}, "no_restart"),
        ("Repeat(Cosine(to=0), every=1000)", {"total": 2300}, "cycle_cut"),
        ({**TRAINER, "lr_scheduler_type": "constant", "max_steps": 500}, {}, "no_effect"),
        ("Plan(lr=Hold(), peak={'lr': 5e-3})", {"total": 9, "peaks": (2e-5, 5e-5)}, "unusual_peak"),
    ],
    ids=str,
)  # fmt: skip
def test_a_trap_is_named(source: Any, told: dict[str, Any], kind: str) -> None:
    """Each kind of trap is found in a config that has it, and nothing else but it."""
    peaks = PeakRange(*told.pop("peaks"), "somebody") if "peaks" in told else None
    assert kinds(check(source, peaks=peaks, **told)) == {kind}


@pytest.mark.parametrize(
    ("kwargs", "kind"),
    [({"min_lr": 0.1}, "floor_above_peak"), ({"min_lr_rate": 1e-5}, "floor_as_rate")],
)
def test_a_floor_in_the_wrong_unit_is_named(kwargs: dict[str, float], kind: str) -> None:
    """A share where a rate is asked makes the rate climb; a rate where a share is asked, vanish."""
    source = {**TRAINER, "lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": kwargs}
    assert kinds(check({**source, "max_steps": 1000})) == {kind}


@pytest.mark.parametrize(
    "text",
    [
        "Warmup(10) >> Cosine(to=0)",
        "WSD('5%', decay='20%', shape='sqrt')",
        "Step(0.1, at=(300, 600))",
        "Step(0.5, every=100)",
        "OneCycle(momentum=None)",
        "InverseSqrt(100)",
        "Exponential(to=0.01)",
        "Repeat(Cosine(to=0), every=250)",
        "Warmup(5) >> Plateau(patience=3)",
        "Hold()",
        "Cyclic(0.1, 100)",
    ],
)
def test_what_is_meant_is_left_alone(text: str) -> None:
    """No schedule that fits its run is accused of anything."""
    found = check(text, total=1000)
    assert found.clean
    assert kinds(found) == set()


def test_the_factor_behind_a_wrong_length_is_named() -> None:
    """Micro-batches counted as updates are told by their number; another factor is not made up."""
    (trap,) = [t for t in check(deepspeed(8000), total=1000, accumulation=8).traps if not t.minor]
    assert "a factor of 8, accumulation" in trap.sentence
    (trap,) = [t for t in check(deepspeed(7000), total=1000, accumulation=8).traps if not t.minor]
    assert "factor" not in trap.sentence


def test_a_first_update_at_rate_0_is_told_and_not_counted() -> None:
    """Transformers' own warm-up begins there: it is minor, and the config stays clean."""
    found = check({**TRAINER, "max_steps": 1000})
    assert found.clean
    assert kinds(found, minor=True) == {"zero_rate"}


@pytest.mark.parametrize(
    ("examples", "batch", "accumulation"), [(1000, 8, 4), (1001, 8, 4), (7, 8, 1)]
)
def test_updates_are_counted_as_a_trainer_counts_them(
    examples: int, batch: int, accumulation: int
) -> None:
    """As many as a loader has batches, and a rest of these makes an update too."""
    batches = [list(range(examples))[i : i + batch] for i in range(0, examples, batch)]
    updates = [batches[i : i + accumulation] for i in range(0, len(batches), accumulation)]
    given = {"batch_size": batch, "accumulation": accumulation}
    assert updates_in(examples, **given) == len(updates)


def test_the_plan_that_is_shown_is_the_one_that_is_followed() -> None:
    """Its text is read back, and gives the rates of Transformers' own scheduler."""
    torch = pytest.importorskip("torch")
    optimization = pytest.importorskip("transformers.optimization")
    found = check({**TRAINER, "max_steps": 400}).to_dict()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=5e-5)
    scheduler = optimization.get_cosine_schedule_with_warmup(optimizer, 100, 400)
    seen = [optimizer.param_groups[0]["lr"]]
    for _ in range(399):
        optimizer.step()
        scheduler.step()
        seen.append(optimizer.param_groups[0]["lr"])
    plan = rw.parse(found["plan"])
    assert isinstance(plan, rw.Plan)
    np.testing.assert_allclose(plan.rates(400), seen, rtol=1e-12)


# Scripts --------------------------------------------------------------------------------------

SCRIPT = """
import torch
from transformers import Trainer, TrainingArguments

raise SystemExit("this is never run")
steps = compute()
args = TrainingArguments("out", learning_rate=2e-5, max_steps=50, warmup_steps=80, bf16=True,
                         num_train_epochs=steps)
"""


def test_a_script_is_read_and_not_run(tmp_path: Path) -> None:
    """What is written out is taken, what is computed is named."""
    path = tmp_path / "train.py"
    path.write_text(SCRIPT)
    found = check(path)
    assert kinds(found) == {"peak_not_reached"}
    assert any("num_train_epochs" in note and "nothing was run" in note for note in found.notes)


def test_a_script_without_a_schedule_says_so(tmp_path: Path) -> None:
    """A script that writes none out is refused, with what to give."""
    path = tmp_path / "train.py"
    path.write_text("import sys\nmodel = build(sys.argv)\n")
    with pytest.raises(rw.ScheduleError, match="no schedule is written out"):
        check(path)


# The command ----------------------------------------------------------------------------------


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["check", *words])


def test_exit_codes(tmp_path: Path) -> None:
    """0 clean, 4 a trap, 2 what cannot be read; `--strict` counts minor things."""
    path = tmp_path / "args.json"
    path.write_text(json.dumps({**TRAINER, "max_steps": 1000}))
    assert run(str(path)).exit_code == 0
    assert run(str(path), "--strict").exit_code == 4
    assert run("Cosine(to=0, over=900)", "--total", "300").exit_code == 4
    assert run("Cosin(to=0)", "--total", "300").exit_code == 2
    assert run(str(tmp_path / "none.yaml")).exit_code == 2


def test_json_holds_what_is_printed(tmp_path: Path) -> None:
    """One object for each config, with its plan, its total and its traps."""
    done = run("Cosine(to=0, over=900)", "Hold()", "--total", "300", "--json")
    first, second = json.loads(done.stdout)
    assert [trap["kind"] for trap in first["traps"]] == ["ends_after_run"]
    assert (second["clean"], second["total"], second["plan"]) == (True, 300, "Plan(lr=Hold())")


def test_a_published_peak_is_known(tmp_path: Path) -> None:
    """A rate of pretraining on small models is no rate to fine-tune with."""
    asked = ("--task", "fine-tuning", "--optimizer", "adamw", "--method", "full", "--total", "100")
    asked = (*asked, "--kind", "language model")
    assert "unusual_peak" in run("Cosine(to=0)", "--lr", "5e-2", *asked).stdout
    assert run("Cosine(to=0)", "--lr", "3e-5", *asked).exit_code == 0


def test_the_hook_names_the_command() -> None:
    """pre-commit runs what is installed."""
    yaml = pytest.importorskip("yaml")
    (hook,) = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert hook["entry"].split() == ["ratewise", "check"]
    assert run("--help").exit_code == 0
