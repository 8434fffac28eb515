"""Transformers' configs and schedulers, read: their forms, what is noted and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.live.transformers import FORMATS
from ratewise.convert.reading import guess

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import get_scheduler  # noqa: E402

from tests.convert.trainer import arguments, plan_of, scheduler, trace  # noqa: E402

(FORMAT,) = FORMATS


OPEN: list[tuple[str, dict[str, Any]]] = [
    ("constant", {}),
    ("constant_with_warmup", {}),
    ("cosine", {}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.1}),
    ("cosine_with_restarts", {}),
    ("inverse_sqrt", {}),
    ("linear", {}),
    ("polynomial", {"power": 2}),
    ("warmup_stable_decay", {"num_decay_steps": 30}),
]


@pytest.mark.parametrize("warmup", [0, 100])
@pytest.mark.parametrize(("kind", "kwargs"), OPEN)
def test_a_plan_without_a_total_is_open(kind: str, kwargs: dict[str, Any], warmup: int) -> None:
    """With a warm-up in updates no length is needed, and any total can be asked for later."""
    config = {
        "learning_rate": 1e-4,
        "lr_scheduler_type": kind,
        "lr_scheduler_kwargs": kwargs,
        "warmup_steps": warmup,
    }
    plan = plan_of(config)
    for total in (150, 400):
        theirs = trace(scheduler(arguments(**config), total), total)
        np.testing.assert_allclose(plan.rates(total), theirs, rtol=1e-12, atol=1e-18)


def test_the_shapes_are_written_as_a_person_would() -> None:
    """A common config reads as the schedule one would write by hand."""
    config = {"learning_rate": 3e-4, "lr_scheduler_type": "cosine", "warmup_steps": 0.05}
    plan = plan_of(config, total=1000)
    expected = rw.Warmup(50, start=0) >> rw.Cosine(to=0)
    assert plan == rw.Plan(lr=expected, peak={"lr": 3e-4})


def test_a_dict_its_json_and_the_arguments_give_one_plan() -> None:
    """It does not matter in which form the keys arrive."""
    config = {
        "learning_rate": 1e-4,
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
        "warmup_steps": 0.1,
        "max_steps": 200,
        "per_device_train_batch_size": 8,
        "bf16": True,
    }
    plan = plan_of(config)
    assert plan_of(json.dumps(config)) == plan
    assert guess(config).name == "transformers"
    assert plan_of({**config, "lr_scheduler_kwargs": '{"min_lr_rate": 0.1}'}) == plan
    keys = {key: value for key, value in config.items() if key != "bf16"}
    assert plan_of(arguments(**keys)) == plan


def test_what_is_left_out_is_as_in_training_arguments() -> None:
    """No rate, no type and no warm-up mean 5e-5, linear and none."""
    plan = plan_of({"lr_scheduler_type": "linear"}, total=20)
    assert plan == plan_of(arguments(), total=20)
    assert plan.peak["lr"] == 5e-5
    assert any("5e-05" in note for note in plan.notes)


def test_epochs_become_updates_as_in_the_trainer() -> None:
    """`num_train_epochs` counts where the updates of an epoch are known."""
    plan = plan_of({"learning_rate": 1e-4, "num_train_epochs": 2.5, "warmup_ratio": 0.1}, epoch=25)
    assert plan_of({"learning_rate": 1e-4, "max_steps": 63, "warmup_steps": 7}) == plan


def test_version_4s_ratio_is_version_5s_share() -> None:
    """`warmup_ratio` means what a `warmup_steps` below 1 means, rounded up as well."""
    old = plan_of({"learning_rate": 1e-4, "warmup_ratio": 0.1, "warmup_steps": 0}, total=101)
    assert old == plan_of({"learning_rate": 1e-4, "warmup_steps": 0.1}, total=101)
    assert old.lr.resolve(101).moves[0].over == 11
    assert any("Transformers 4" in note for note in old.notes)


def test_yaml_that_reads_a_rate_as_text_is_understood() -> None:
    """YAML takes 5e-5, without a dot, for text."""
    assert plan_of({"learning_rate": "5e-5", "max_steps": 9}).peak == {"lr": 5e-5}


# Notes --------------------------------------------------------------------------------------


def notes_of(kind: str, total: int = 20, warmup: float = 5, **kwargs: Any) -> str:
    config = {
        "learning_rate": 1e-4,
        "lr_scheduler_type": kind,
        "lr_scheduler_kwargs": kwargs,
        "warmup_steps": warmup,
    }
    return " ".join(plan_of(config, total=total).notes)


def test_quirks_are_noted_with_their_update() -> None:
    """What a reader would not expect is said, and where it happens."""
    assert "Update 0 uses a rate of 0" in notes_of("linear")
    assert "fills the run of 20" in notes_of("linear", warmup=30)
    assert "ignores warmup_steps" in notes_of("constant")
    assert "ignores lr_scheduler_kwargs" in notes_of("constant_with_warmup", num_cycles=2)
    assert "update 4, the last of the warm-up" in notes_of(
        "cosine_warmup_with_min_lr", min_lr_rate=0.1
    )
    assert "overlap by 4 updates: at update 5" in notes_of(
        "warmup_stable_decay", num_decay_steps=19
    )
    assert "At update 1 a restart is missed" in notes_of(
        "cosine_with_restarts", total=49, warmup=0, num_cycles=49
    )
    assert "divides by zero at update 20" in notes_of("polynomial", warmup=20)
    assert notes_of("linear", warmup=0) == ""


def test_a_cosine_that_rises_past_its_end_is_noted() -> None:
    """A scheduler for 20 updates in a run of 30 rises from update 20 on, and the note says so."""
    built = scheduler(arguments(lr_scheduler_type="cosine"), 20)
    assert guess(built).name == "transformers"
    plan = plan_of(built, total=30)
    assert plan.rates(30)[25] > plan.rates(30)[20]
    assert any("past update 20" in note for note in plan.notes)


def test_groups_with_their_own_rates_keep_them() -> None:
    """A scheduler over groups of different rates is a multiplier: the plan names no peak."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1e-4, 1e-3)]
    built = get_scheduler("linear", torch.optim.SGD(groups, lr=1.0), 5, 20)
    plan = plan_of(built, total=20)
    assert plan.peak == {}
    assert plan.lr == plan_of(scheduler(arguments(warmup_steps=5), 20), total=20).lr


# Refusals -----------------------------------------------------------------------------------

BASE = {"learning_rate": 1e-4, "lr_scheduler_type": "cosine"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lr_scheduler_type": "cosin"}, "did you mean cosine"),
        (
            {"lr_scheduler_type": "reduce_lr_on_plateau", "lr_scheduler_kwargs": {"patienc": 1}},
            "did you mean patience",
        ),
        (
            {"lr_scheduler_type": "greedy", "lr_scheduler_kwargs": {"smooth": True}},
            "smoothing=0.9",
        ),
        ({"lr_scheduler_kwargs": {"num_cycle": 2}}, "did you mean num_cycles"),
        ({"lr_scheduler_kwargs": {"num_cycles": -1}}, "needs num_cycles"),
        ({"lr_scheduler_kwargs": [1]}, "give a dict"),
        ({"lr_scheduler_kwargs": "nonsense"}, "or JSON"),
        ({"warmup_steps": 10, "warmup_ratio": 0.1}, "warmup_steps=10 and warmup_ratio=0.1"),
        ({"warmup_steps": -1}, "needs warmup_steps"),
        ({"warmup_steps": "many"}, "needs warmup_steps"),
        ({"warmup_ratio": 1.5}, "needs warmup_ratio"),
        ({"warmup_step": 10}, "did you mean warmup_steps"),
        ({"learning_rte": 1e-3}, "did you mean learning_rate"),
        ({"learning_rate": float("nan")}, "needs learning_rate"),
        ({"max_steps": 50}, "max_steps=50 and was given total=100"),
        ({"max_steps": 0}, "needs max_steps"),
    ],
)
def test_a_bad_config_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    """The message names the key, what it holds and what to write."""
    with pytest.raises(rw.ScheduleError, match=says):
        plan_of({**BASE, **change}, total=100)


@pytest.mark.parametrize(
    ("kind", "kwargs", "says"),
    [
        ("cosine_with_min_lr", {"min_lr": 1e-5, "min_lr_rate": 0.1}, "both min_lr=1e-05 and"),
        ("cosine_with_min_lr", {}, "give min_lr or min_lr_rate"),
        ("polynomial", {"lr_end": 1e-3}, "below the learning rate"),
        ("linear", {"power": 2}, "'power'"),
        ("warmup_stable_decay", {}, "num_decay_steps"),
        (
            "warmup_stable_decay",
            {"num_decay_steps": 5, "decay_type": "sqrt"},
            "did you mean 1-sqrt",
        ),
        ("inverse_sqrt", {"timescale": 0}, "timescale"),
        ("cosine_with_restarts", {"num_cycles": 1e6}, "10,000 or fewer"),
    ],
)
def test_bad_kwargs_are_refused_by_name(kind: str, kwargs: dict[str, Any], says: str) -> None:
    """Kwargs that contradict each other, or that the type does not take, are named."""
    with pytest.raises(rw.ScheduleError, match=says):
        plan_of({**BASE, "lr_scheduler_type": kind, "lr_scheduler_kwargs": kwargs}, total=100)


def test_a_share_needs_a_total() -> None:
    """A warm-up as a share of a run of unknown length asks for the length."""
    with pytest.raises(rw.ScheduleError, match="total="):
        plan_of({**BASE, "warmup_steps": 0.1})


def test_no_key_of_the_trainer_is_taken_for_a_misspelling() -> None:
    """A config with every key of TrainingArguments is read without complaint."""
    args = arguments(max_steps=50)
    everything = dict.fromkeys(vars(args))
    assert plan_of({**everything, **BASE, "max_steps": 50}) == plan_of({**BASE, "max_steps": 50})


def test_other_things_do_not_match() -> None:
    """Configs of others, other schedulers and plain values are not taken for Transformers'."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    others = [
        {"lr_scheduler": "cosine", "learning_rate": 1e-4},
        {"learning_rate": 1e-4},
        "cosine",
        3,
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.5**t),
        torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer),
    ]
    assert not any(FORMAT.matches(other) for other in others)
