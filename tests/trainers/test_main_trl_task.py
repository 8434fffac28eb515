"""TRL's trainers as a task: what they remember between two updates is saved, or refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.schedule import ScheduleError
from tests.trainers.tiny_lm import save_model, texts, without_broken

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("datasets")
pytest.importorskip("ratewise.choose")
without_broken("trackio")

from ratewise.choose import TrainerTask  # noqa: E402

RATES = np.linspace(2e-2, 1e-2, 6)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.set_num_threads(1)
    return save_model(tmp_path_factory.mktemp("model"))


def parts(place: str) -> dict[str, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(place)
    return {"model": model, "processing_class": AutoTokenizer.from_pretrained(place)}


def prompts(n: int) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"prompt": row["prompt"]} for row in texts(n)])


def different(completions: list[str], **_: Any) -> list[float]:
    """A reward: how many different words there are."""
    return [float(len(set(words.split()))) for words in completions]


def grpo(place: str, seed: int, **options: Any) -> Any:
    """Completions are made once for four batches, and learned from twice."""
    from trl import GRPOConfig, GRPOTrainer

    standard: dict[str, Any] = {
        "output_dir": f"{place}-out", "per_device_train_batch_size": 4, "num_generations": 2,
        "num_iterations": 2, "gradient_accumulation_steps": 2, "max_completion_length": 4,
        "learning_rate": 2e-2, "lr_scheduler_type": "constant", "max_steps": 3, "seed": seed,
        "use_cpu": True, "bf16": False, "report_to": [], "disable_tqdm": True, "logging_steps": 1,
        "save_strategy": "no",
    }  # fmt: skip
    args = GRPOConfig(**{**standard, **options})
    return GRPOTrainer(
        **parts(place), args=args, reward_funcs=different, train_dataset=prompts(8),
        eval_dataset=prompts(2),
    )  # fmt: skip


def test_grpo_is_restored_in_the_middle_of_what_it_generated(place: str) -> None:
    """At every update, in the run itself and in another one, also from a file: the same losses.

    A measurement in between, which generates too, changes nothing.
    """
    task = TrainerTask(lambda seed: grpo(place, seed))
    whole: Any = task.open(3)
    states, losses = [], []
    for rate in RATES:
        states.append(pickle.dumps(whole.save()))
        losses.extend(whole.train(np.array([rate])))
        whole.measure()
    assert len(set(losses)) == len(RATES)
    other: Any = task.open(3)
    for run in (whole, other):
        for at, state in reversed([*enumerate(states)]):
            run.restore(pickle.loads(state))
            np.testing.assert_array_equal(run.train(RATES[at:]), losses[at:])


def test_grpo_in_a_task_is_what_train_does(place: str) -> None:
    """The losses of the updates are those that the trainer logs, and the weights are its own."""
    native = grpo(place, 5)
    native.train()
    logged = [entry["loss"] for entry in native.state.log_history if "loss" in entry]
    run: Any = TrainerTask(lambda seed: grpo(place, seed)).open(5)
    np.testing.assert_allclose(run.train(np.full(3, 2e-2)), logged, rtol=1e-6, atol=1e-9)
    for ours, theirs in zip(run.trainer.model.parameters(), native.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


class Remembers:
    """What a subclass may add to a trainer: a loss that depends on what came before."""

    def compute_loss(self, model: Any, inputs: Any, *rest: Any, **named: Any) -> Any:
        found: Any = super().compute_loss(model, inputs, *rest, **named)  # pyright: ignore
        loss = found[0] if isinstance(found, tuple) else found
        self.baseline = 0.5 * getattr(self, "baseline", torch.zeros(())) + 0.5 * loss.detach()
        self.seen = [*getattr(self, "seen", []), {"loss": loss.detach().clone()}][-3:]
        weight = 1 + self.baseline + torch.stack([one["loss"] for one in self.seen]).mean()
        return (loss * weight, *found[1:]) if isinstance(found, tuple) else loss * weight


def test_a_loss_that_remembers_is_restored(tmp_path: Path) -> None:
    """A tensor, and a list of dicts of tensors, that `compute_loss` keeps on the trainer."""
    from tests.transformers.tiny import Tiny, make, model, rows

    class Custom(Remembers, Tiny):
        pass

    def made(seed: int) -> Any:
        options: dict[str, Any] = {"kind": Custom, "per_device_train_batch_size": 4}
        return make(tmp_path, model=model(seed=seed), seed=seed, eval_dataset=rows(4), **options)

    first: Any = TrainerTask(made).open(1)
    first.train(RATES[:2])
    state = pickle.dumps(first.save())
    wanted = first.train(RATES[2:])
    other: Any = TrainerTask(made).open(1)
    for run in (first, other):
        run.restore(pickle.loads(state))
        np.testing.assert_array_equal(run.train(RATES[2:]), wanted)
    fresh: Any = TrainerTask(made).open(1)
    fresh.train(RATES[:1])
    start = TrainerTask(made).open(1).save()
    fresh.restore(start)  # where nothing was remembered yet
    assert not hasattr(fresh.trainer, "baseline")


def test_what_cannot_be_saved_is_refused(place: str, tmp_path: Path) -> None:
    """Before it trains where it can be seen, else as soon as it would have to be saved."""
    from transformers import TrainerCallback

    from tests.transformers.tiny import Tiny, make, model, rows

    class SyncRefModelCallback(TrainerCallback):
        """As TRL's: it writes into a reference model."""

    class Holds(Tiny):
        def training_step(self, *args: Any, **named: Any) -> Any:
            self.found = [lambda: 1]
            return super().training_step(*args, **named)

    def synced(seed: int) -> Any:
        return make(tmp_path, callbacks=[SyncRefModelCallback()], eval_dataset=rows(4))

    def holding(seed: int) -> Any:
        return make(tmp_path, kind=Holds, model=model(seed=seed), eval_dataset=rows(4))

    with pytest.raises(ScheduleError, match="SyncRefModelCallback, which changes a model"):
        TrainerTask(synced).open(0)
    run = TrainerTask(holding).open(0)
    run.train(RATES[:1])
    with pytest.raises(ScheduleError, match=r"Holds\.found while it trains.* cannot be copied"):
        run.save()


def test_grpo_hands_over_attach(place: str) -> None:
    """What a choice on such a task prints is `attach(trainer, …)`, and the trainer takes it."""
    from ratewise import Cosine, Warmup
    from ratewise.choose.handover import TaskOptimizer

    schedule = Warmup(1) >> Cosine(to=0.1)
    optimizer = TaskOptimizer.of(TrainerTask(lambda seed: grpo(place, seed)))
    code = optimizer.snippet(schedule, 2e-2, 3)
    assert code[0] == "from ratewise.transformers import attach"
    trainer = grpo(place, 0, lr_scheduler_type="linear")
    exec("\n".join(code), {"trainer": trainer})
    used: list[float] = []
    trainer.create_optimizer().register_step_post_hook(
        lambda made, *_: used.append(made.param_groups[0]["lr"])
    )
    trainer.train()
    np.testing.assert_allclose(used, 2e-2 * schedule.resolve(3).values(), rtol=1e-15)
