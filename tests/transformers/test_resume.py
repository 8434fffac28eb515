"""Stopped or killed, and gone on with: the same rates."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import pytest
import transformers

import ratewise as rw
from ratewise.transformers import attach
from tests import warm
from tests.transformers import killed, tiny

PLAN = rw.Warmup("25%") >> rw.Cosine(to=0.1)


def simulated(history: list[dict[str, Any]]) -> list[float]:
    """The rates by the pure simulation on the evaluations that the trainer wrote down."""
    shown = [(e["step"], {"eval_loss": e["eval_loss"]}) for e in history if "eval_loss" in e]
    levels = killed.PLAN.resolve(killed.TOTAL).simulate(shown).values(killed.TOTAL)
    return [tiny.LR * level for level in levels.tolist()]


@pytest.mark.slow
def test_killed_at_a_random_update_the_run_is_the_same(tmp_path: Path) -> None:
    """SIGKILL in the middle of a patience, then resumed: the rates of the run that lived."""
    whole = killed.make(tmp_path / "whole", save_strategy="no")
    whole.train()
    expected = simulated(whole.state.log_history)
    assert tiny.used(whole) == tiny.logged(whole) == expected
    assert len(set(expected[4:20])) >= 3
    update = random.randrange(4, killed.TOTAL)
    folder = tmp_path / "killed"
    folder.mkdir()
    words = ["-m", "tests.transformers.killed", folder, update]
    died = warm.run(words, imported=warm.TORCH)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert [float(x) for x in (folder / "used").read_text().split()] == expected[:update]
    second = killed.make(folder)
    second.train(resume_from_checkpoint=True)
    last = (update - 1) // 3 * 3
    assert (tiny.used(second), tiny.logged(second)) == (expected[last:], expected), update
    assert second.state.log_history[-2]["eval_loss"] == whole.state.log_history[-2]["eval_loss"]


@pytest.mark.parametrize("window", [1, 4])
@pytest.mark.parametrize("stop", [1, 5, 8])
def test_stopped_and_resumed_the_run_is_the_same(window: int, stop: int, tmp_path: Any) -> None:
    """In the middle of an epoch, with partial windows: each update uses f(t), once."""
    options = {"num_train_epochs": 3, "gradient_accumulation_steps": window}
    options |= {"save_strategy": "steps", "save_steps": 1, "per_device_train_batch_size": 8}
    total = {1: 9, 4: 3}[window]
    at = min(stop, total - 1)
    first = tiny.make(tmp_path, callbacks=[tiny.At(at, tiny.stop)], **options)
    attach(first, PLAN).train()
    second = attach(tiny.make(tmp_path, **options), PLAN)
    second.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{at}"))
    assert tiny.used(first) + tiny.used(second) == tiny.rates(PLAN, total)
    assert tiny.logged(second) == tiny.rates(PLAN, total)


def saved(folder: Path, total: int = 10, at: int = 4, plan: Any = PLAN, **options: Any) -> str:
    """A checkpoint after `at` updates of a run of `total`."""
    options = {"save_strategy": "steps", "save_steps": at, **options}
    trainer = tiny.make(folder, max_steps=total, callbacks=[tiny.At(at, tiny.stop)], **options)
    attach(trainer, plan).train()
    return str(folder / f"checkpoint-{at}")


def test_a_longer_run_needs_a_policy(tmp_path: Path) -> None:
    """Resumed with more updates, the trainer refuses, and says which numbers differ."""
    path = saved(tmp_path)
    longer = attach(tiny.make(tmp_path, max_steps=20), PLAN)
    with pytest.raises(rw.ScheduleError, match="its total is 10, the code's 20"):
        longer.train(resume_from_checkpoint=path)


@pytest.mark.parametrize(("policy", "start"), [("code", 4), ("rescale", 8), ("checkpoint", None)])
def test_a_policy_goes_on(policy: str, start: int | None, tmp_path: Path, capsys: Any) -> None:
    """ "code" stays at the update, "rescale" at the share, "checkpoint" with the old schedule."""
    path = saved(tmp_path)
    longer = attach(tiny.make(tmp_path, max_steps=20), PLAN, resume=policy)
    longer.train(resume_from_checkpoint=path)
    if start is None:
        expected = tiny.rates(PLAN, 10)[4:] + [PLAN.resolve(total=10)(10) * tiny.LR] * 10
    else:
        expected = [*tiny.rates(PLAN, 20)[start:], *[PLAN.resolve(total=20)(20) * tiny.LR] * 4]
    assert tiny.used(longer) == expected[:16]
    assert f"resume='{policy}'" in capsys.readouterr().out


def test_a_checkpoint_without_a_scheduler_is_taken_up_at_its_update(tmp_path: Path) -> None:
    """Where only the model was saved, the count of updates is enough for an open-loop schedule."""
    path = saved(tmp_path, save_only_model=True)
    second = attach(tiny.make(tmp_path, max_steps=10), PLAN)
    second.train(resume_from_checkpoint=path)
    assert tiny.used(second) == tiny.rates(PLAN, 10)[4:]


def test_what_was_heard_cannot_be_guessed(tmp_path: Path) -> None:
    """A checkpoint without scheduler.pt is refused if the schedule listens."""
    plan = rw.Plateau("loss", patience=2)
    path = saved(tmp_path, plan=plan, save_only_model=True)
    with pytest.raises(rw.ScheduleError, match=r"no scheduler\.pt"):
        attach(tiny.make(tmp_path, max_steps=10), plan).train(resume_from_checkpoint=path)


def test_the_checkpoint_of_another_scheduler_is_refused(tmp_path: Path) -> None:
    """What the trainer's own scheduler saved is not taken for ours."""
    options = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    tiny.make(tmp_path, **options).train()
    second = attach(tiny.make(tmp_path, **options), PLAN)
    with pytest.raises(rw.ScheduleError, match="did not save"):
        second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))


def test_an_evaluation_at_the_start_of_a_session_is_not_heard(tmp_path: Path) -> None:
    """With eval_on_start a resumed run has heard as much as one that was not interrupted."""
    plan = rw.Plateau("eval_loss", patience=1, threshold=0.5, factor=0.5)
    options = {"eval_on_start": True, "eval_strategy": "steps", "eval_steps": 2}
    options |= {"eval_dataset": tiny.rows(4)}
    whole = attach(tiny.make(tmp_path / "whole", max_steps=11, **options), plan)
    whole.train()
    path = saved(tmp_path / "cut", total=11, at=5, plan=plan, **options)
    second = attach(tiny.make(tmp_path / "cut", max_steps=11, **options), plan)
    second.train(resume_from_checkpoint=path)
    assert tiny.used(second) == tiny.used(whole)[5:]
    assert second.lr_scheduler.state_dict() == whole.lr_scheduler.state_dict()


def test_a_batch_found_automatically_is_resumed(tmp_path: Path) -> None:
    """The checkpoint knows the batch that fitted, so that the horizon is the same."""
    from tests.transformers.test_trace import Memory

    options = {"auto_find_batch_size": True, "per_device_train_batch_size": 10}
    options |= {"save_strategy": "steps", "save_steps": 3, "num_train_epochs": 2}
    first = attach(tiny.make(tmp_path, n=40, callbacks=[tiny.At(4, tiny.stop)], **options), PLAN)
    first.training_step = Memory(first, {2})
    first.train()
    second = attach(tiny.make(tmp_path, n=40, **options), PLAN)
    second.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert (second.state.train_batch_size, second.state.max_steps) == (9, 10)
    assert tiny.used(second) == tiny.rates(PLAN, 10)[3:]


def test_the_state_is_primitives(tmp_path: Path) -> None:
    """scheduler.pt is read with weights_only, and tells the update and the schedule."""
    import torch

    path = Path(saved(tmp_path, total=10, at=4))
    state = torch.load(path / "scheduler.pt", weights_only=True)
    assert (state["committed"], state["text"]) == (4, repr(PLAN))
    assert transformers.TrainerState.load_from_json(path / "trainer_state.json").global_step == 4
