"""What a Trainer logs and evaluates, heard by schedules that listen."""

from __future__ import annotations

from typing import Any

import pytest

import ratewise as rw
from ratewise.transformers import attach
from tests.transformers import tiny

EVALUATING = {"eval_strategy": "steps", "eval_steps": 2}


def make(folder: Any, **options: Any) -> Any:
    options.setdefault("eval_dataset", tiny.rows(6))
    return tiny.make(folder, **{**EVALUATING, "per_device_train_batch_size": 2, **options})


def simulated(trainer: Any, plan: Any, total: int, name: str) -> list[float]:
    """The rates by pure simulation on what the trainer wrote down."""
    shown = [(e["step"], {name: e[name]}) for e in trainer.state.log_history if name in e]
    done = plan.resolve(total).simulate(shown)
    return [tiny.LR * level for level in done.values(total).tolist()]


def test_a_plateau_behind_a_warmup(tmp_path: Any) -> None:
    """Evaluations steer the rate once the warm-up is over, and the cuts are in the log."""
    plan = rw.Warmup(4) >> rw.Plateau("eval_loss", patience=1, threshold=0.5, factor=0.5)
    trainer = attach(make(tmp_path, max_steps=20), plan)
    trainer.train()
    assert tiny.used(trainer) == tiny.logged(trainer) == simulated(trainer, plan, 20, "eval_loss")
    assert tiny.used(trainer)[-1] <= tiny.LR / 8


def test_a_metric_of_the_users_own(tmp_path: Any) -> None:
    """What compute_metrics calls score is heard as eval_score, as the log has it."""
    plan = rw.Plateau("eval_score", mode="max", patience=0, factor=0.1)
    scores = iter([0.1, 0.5, 0.4, 0.6, 0.3, 0.2])
    score = lambda _: {"score": next(scores)}  # noqa: E731
    trainer = attach(make(tmp_path, max_steps=12, compute_metrics=score), plan)
    trainer.train()
    levels = [1.0] * 6 + [0.1] * 4 + [0.1 * 0.1] * 2
    assert tiny.used(trainer) == [tiny.LR * level for level in levels]


def test_the_training_loss_is_heard_as_it_is_logged(tmp_path: Any) -> None:
    """Without any evaluation, `loss` comes with the log, every `logging_steps`."""
    plan = rw.Plateau("loss", patience=0, threshold=0.9, factor=0.5)
    trainer = make(tmp_path, max_steps=12, logging_steps=3, eval_strategy="no")
    attach(trainer, plan).train()
    assert tiny.used(trainer) == simulated(trainer, plan, 12, "loss")
    assert tiny.used(trainer)[-1] == tiny.LR / 4


@pytest.mark.parametrize("steps", [1, 3, 100])
def test_metrics_of_two_places_at_once(steps: int, tmp_path: Any) -> None:
    """A plan may listen to the log and to evaluations, whichever comes first."""
    evaluated = rw.Plateau("eval_loss", patience=1, threshold=0.5, factor=0.5)
    logged = rw.Plateau("loss", patience=0, threshold=0.5, factor=0.25)
    trainer = attach(make(tmp_path, max_steps=14, logging_steps=steps), evaluated * logged)
    trainer.train()
    one = simulated(trainer, evaluated, 14, "eval_loss")
    other = simulated(trainer, logged, 14, "loss")
    assert tiny.used(trainer) == [a * b / tiny.LR for a, b in zip(one, other, strict=True)]
    assert len(set(tiny.used(trainer))) > 2


def test_several_data_sets_are_one_evaluation_each(tmp_path: Any) -> None:
    """With a dict of data sets each has its names; the second is not refused for the first."""
    plan = rw.Plateau("eval_b_loss", patience=0, threshold=0.5, factor=0.5)
    sets = {"a": tiny.rows(4), "b": tiny.rows(6)}
    trainer = attach(make(tmp_path, max_steps=8, eval_dataset=sets), plan)
    trainer.train()
    assert tiny.used(trainer) == simulated(trainer, plan, 8, "eval_b_loss")
    assert tiny.used(trainer)[-1] < tiny.LR
    with pytest.raises(rw.ScheduleError, match="eval_c_loss"):
        attach(make(tmp_path, max_steps=8, eval_dataset=sets), rw.Plateau("eval_c_loss")).train()


@pytest.mark.parametrize(
    ("name", "logging", "advice"),
    [("val_loss", 100, "eval_loss"), ("accuracy", 1, "measured were"), ("eval_acc", 100, "eval_")],
)
def test_a_metric_that_nothing_measures_is_refused(
    name: str, logging: int, advice: str, tmp_path: Any
) -> None:
    """After the first evaluation a misspelt name is answered with what was measured."""
    trainer = attach(make(tmp_path, max_steps=8, logging_steps=logging), rw.Plateau(name))
    with pytest.raises(rw.ScheduleError, match=advice):
        trainer.train()
    assert trainer.state.global_step == 2


@pytest.mark.parametrize(
    ("measured", "advice"),
    [("good", "was shown eval_mine='good'"), ([1.0, 2.0], "a number"), (None, "measured were")],
)
def test_a_metric_that_is_no_number_is_refused(measured: Any, advice: str, tmp_path: Any) -> None:
    """Passed over it would never be heard; one that nobody waits for is passed over."""
    for name, match in (("eval_loss", None), ("eval_mine", advice)):
        trainer = make(tmp_path, max_steps=4, compute_metrics=lambda _: {"mine": measured})
        attach(trainer, rw.Plateau(name))
        if match is None:
            trainer.train()
        else:
            with pytest.raises(rw.ScheduleError, match=match):
                trainer.train()


def test_a_metric_that_is_never_asked_for_is_refused_at_once(tmp_path: Any) -> None:
    """Evaluations, or logs, that are switched off are missed before the first update."""
    for options, name in (({"eval_strategy": "no"}, "eval_loss"), ({}, "loss")):
        options = {"logging_strategy": "no", **options}
        trainer = attach(make(tmp_path, max_steps=8, **options), rw.Plateau(name))
        with pytest.raises(rw.ScheduleError, match=r'_strategy="no" never measures it'):
            trainer.train()
        assert trainer.state.global_step == 0


def test_a_run_that_finds_its_own_length_ends(tmp_path: Any) -> None:
    """EarlyCool stops the trainer behind its cooldown; it evaluates and saves at the end."""
    plan = rw.EarlyCool("eval_loss", patience=0, threshold=0.9, decay=3)
    options = {"max_steps": 60, "save_strategy": "steps", "save_steps": 50}
    trainer = attach(make(tmp_path, **options), plan)
    trainer.train()
    assert trainer.state.global_step == 7
    assert tiny.used(trainer) == simulated(trainer, plan, 60, "eval_loss")[:7]
    assert (tmp_path / "checkpoint-7" / "scheduler.pt").exists()
    assert [e["step"] for e in trainer.state.log_history if "eval_loss" in e] == [2, 4, 6, 7]


def test_evaluations_outside_of_training_are_not_heard(tmp_path: Any) -> None:
    """An evaluation before or after `train()` changes no state."""
    plan = rw.Plateau("eval_loss", patience=0, threshold=0.5, factor=0.5)
    trainer = attach(make(tmp_path, max_steps=5), plan)
    trainer.evaluate()
    trainer.train()
    before = trainer.lr_scheduler.state_dict()
    trainer.evaluate()
    assert trainer.lr_scheduler.state_dict() == before
    assert tiny.used(trainer) == simulated(trainer, plan, 5, "eval_loss")
