"""A config that lies in a section of a file is read there where it is asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest

from ratewise.convert import read
from ratewise.convert.reading import read_source
from ratewise.schedule import ScheduleError

ARGUMENTS: dict[str, Any] = {
    "learning_rate": 1e-4, "lr_scheduler_type": "cosine", "warmup_steps": 10, "max_steps": 100,
}  # fmt: skip


def cosine(t: int) -> float:
    return t / 10 if t < 10 else 0.5 * (1 + math.cos(math.pi * (t - 10) / 90))


@pytest.mark.parametrize("place", ["train", "training_args", "trainer_arguments"])
def test_the_only_section_that_is_a_config_is_asked_about(place: str) -> None:
    """It may be that of another part of the run; what the error says to give is enough."""
    source = {"model": {"name": "m", "layers": 12}, place: ARGUMENTS, "seed": 1}
    with pytest.raises(ScheduleError, match=f"config at {place}.*give section='{place}'"):
        read(source)
    found = read_source(source, section=place)
    assert (found.format.name, found.total) == ("transformers", 100)
    assert list(found.plan.rates(100)) == pytest.approx([1e-4 * cosine(t) for t in range(100)])


def test_of_several_sections_one_has_to_be_named() -> None:
    """What the error says to give is enough."""
    source = {"stage1": {**ARGUMENTS, "learning_rate": 1e-3}, "stage2": ARGUMENTS}
    with pytest.raises(ScheduleError, match="stage1 and stage2: say which: section='stage1'"):
        read(source)
    assert read(source, section="stage1").peak == {"lr": 1e-3}
    assert read(source, section="stage2") == read(ARGUMENTS)
    with pytest.raises(ScheduleError, match="did you mean stage2"):
        read(source, section="stage3")


def test_two_networks_are_two_schedules() -> None:
    """As of a generator and a discriminator, each with its optimizer."""
    lr_scheduler = "torch.optim.lr_scheduler.StepLR"
    source = {
        name: {
            "optimizer": {"_target_": "torch.optim.Adam", "lr": rate},
            "scheduler": {"_target_": lr_scheduler, "step_size": size},
        }
        for name, rate, size in (("generator", 1e-4, 10), ("discriminator", 4e-4, 20))
    }
    with pytest.raises(ScheduleError, match="say which: section='generator'"):
        read(source, interval="step")
    plan = read(source, interval="step", section="discriminator")
    assert list(plan.rates(40)) == pytest.approx([4e-4] * 20 + [4e-5] * 20)


@pytest.mark.parametrize("beside", [{"lr": 1e-3}, {"lr_warmup": 5}, {"optim": {"lr_decay": 0.1}}])
def test_a_section_is_not_read_where_something_beside_it_speaks_of_rates(
    beside: dict[str, Any],
) -> None:
    """That may be what counts."""
    with pytest.raises(ScheduleError, match=r"no known format|tells its format|config at stage"):
        read({"stage": ARGUMENTS, **beside})


@pytest.mark.parametrize(
    "written",
    [
        {"lr_scheduler_type": "SchedulerType.COSINE"},
        {"max_steps": "100", "warmup_steps": "10", "learning_rate": "1e-4"},
        {"warmup_ratio": "None"},
    ],
)
def test_values_that_were_printed_are_what_they_stand_for(written: dict[str, Any]) -> None:
    """Numbers as texts, nothing as a word, and the member of an enumeration."""
    assert read({**ARGUMENTS, **written}).lr == read(ARGUMENTS).lr


def test_a_value_that_is_left_to_whoever_runs_it_is_asked_for() -> None:
    """`auto` is no number, and says which option gives one."""
    with pytest.raises(ScheduleError, match=r"write its value, or call read.*warmup_steps=…"):
        read({**ARGUMENTS, "warmup_steps": "auto"})
    assert read({**ARGUMENTS, "warmup_steps": "auto"}, warmup_steps=10).lr == read(ARGUMENTS).lr


@pytest.mark.parametrize("command", ["trl sft", "python run_clm.py", "run_glue_no_trainer.py"])
def test_commands_of_transformers_are_known_by_their_programs(command: str) -> None:
    """However little they say."""
    found = read_source(f"{command} --learning_rate 2e-5 --max_steps 100 --output_dir o")
    assert (found.format.name, found.total) == ("trainer", 100)
    assert list(found.plan.rates(100)) == pytest.approx([2e-5 * (1 - t / 100) for t in range(100)])
