"""Trainers with adapters in one call of the model; the Trainer itself, alone, is the observer."""

from __future__ import annotations

import gc
import weakref
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")
pytest.importorskip("peft")

import peft
import torch
import transformers

from ratewise.choose import TrainerTask, compare, find
from ratewise.tasks.torch.stacked import Stacking
from ratewise.tasks.torch.stacked_parts import Unstackable
from ratewise.tasks.torch.stacked_roots import StackRoots
from ratewise.tasks.torch.stacked_trial import try_stack
from tests.tasks.stacks import apart
from tests.transformers.tiny import Stream, make, rows

CLOSE = 1e-4
LR = 0.05
SEEDS = [0, 3, 0]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def adapted(seed: int, attention: str = "eager", dropout: float = 0.2) -> Any:
    """A tiny encoder whose attention has adapters; those and the head are trained."""
    torch.manual_seed(7)  # as a base that comes from a file is the same for each seed
    shape: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 50,
        "max_position_embeddings": 16,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "attn_implementation": attention,
    }
    config = transformers.BertConfig(**shape)
    base = transformers.BertForSequenceClassification(config)
    torch.manual_seed(seed)
    given: dict[str, Any] = {"r": 4, "lora_dropout": dropout, "target_modules": ["query", "value"]}
    return peft.get_peft_model(base, peft.LoraConfig(task_type="SEQ_CLS", **given))


class Observed(transformers.Trainer):
    """Writes down the loss of each batch that it goes back from."""

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        self.__dict__.setdefault("seen", []).append((self.state.global_step, float(loss)))
        return loss


def padded(several: list[dict[str, Any]]) -> dict[str, Any]:
    """Collate rows of other lengths, each batch as long as its longest."""
    longest = max(len(row["input_ids"]) for row in several)
    filled = [row["input_ids"] + [0] * (longest - len(row["input_ids"])) for row in several]
    ids = torch.tensor(filled)
    labels = torch.tensor([row["labels"] for row in several])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": labels}


RAGGED = [{"input_ids": [1, 2, *range(3, 3 + i % 5)], "labels": i % 2} for i in range(22)]


def weighed(outputs: Any, labels: Any, num_items_in_batch: Any = None) -> Any:
    """A loss of somebody's own, which has accumulation in mind."""
    each = torch.nn.functional.cross_entropy(outputs.logits, labels, reduction="sum")
    return each / num_items_in_batch


def trainer_of(folder: Any, seed: int, kind: Any = transformers.Trainer, **options: Any) -> Any:
    """A trainer with accumulation over epochs that do not divide, and what is asked for."""
    shape = _taken(options, "attention", "dropout")
    own = _taken(options, "data_collator", "compute_loss_func")
    lengths = {"max_grad_norm": 0.05, "gradient_accumulation_steps": 2}
    given: dict[str, Any] = {"per_device_train_batch_size": 4, "learning_rate": LR, **lengths}
    given |= {"data": rows(22), "eval_dataset": rows(6), **options}
    made = make(folder, kind=kind, model=adapted(seed, **shape), seed=seed, **given)
    for name, value in own.items():
        setattr(made, name, value)
    return made


def _taken(options: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def task_of(folder: Any, **options: Any) -> TrainerTask:
    return TrainerTask(lambda seed: trainer_of(folder, seed, **options))


def observed(folder: Any, seed: int, peak: float, total: int, **options: Any) -> list[float]:
    """Return the losses of `trainer.train()`, whose own scheduler lets the rate fall to zero."""
    told = {**options, "learning_rate": peak, "max_steps": total, "lr_scheduler_type": "linear"}
    trainer = trainer_of(folder, seed, Observed, **told)
    trainer.train()
    losses = np.zeros(total)
    for update, loss in trainer.seen:
        losses[update] += loss
    return losses.tolist()


def falling(peaks: list[float], total: int) -> Any:
    return np.outer(peaks, 1 - np.arange(total) / total)


def stacked(task: TrainerTask, stacking: Stacking, rates: Any, seeds: Any = SEEDS) -> Any:
    """Return a stack that was trained, and its losses."""
    roots = StackRoots(task)
    stack = roots.stack([roots.first(seed) for seed in seeds], seeds, stacking)
    half = rates.shape[1] // 2
    return stack, np.concatenate([stack.train(rates[:, :half]), stack.train(rates[:, half:])], 1)


CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "dropout": (50, {}),
    "momentum": (10, {"optim": "sgd", "optim_args": "momentum=0.9", "max_grad_norm": 0.0}),
    "padding": (10, {"data": RAGGED, "data_collator": padded, "weight_decay": 0.1}),
    "stream": (10, {"data": Stream(22), "gradient_accumulation_steps": 4, "max_steps": 99}),
    "loss": (10, {"compute_loss_func": weighed}),
    "smoothing": (10, {"label_smoothing_factor": 0.1}),
    "sampler": (10, {"accelerator_config": {"use_seedable_sampler": False}}),
    "bf16": (10, {"bf16": True}),
}


@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_of_the_trainer_alone(tmp_path: Any, name: str) -> None:
    """`trainer.train()` with its own scheduler: dropout, accumulation, clipping, order of data."""
    total, options = CASES[name]
    task, peaks = task_of(tmp_path, **options), [LR, LR, LR / 5]
    stacking = try_stack(task, 0).stacking
    assert stacking.randomness == "same"
    assert not stacking.own_steps
    _, losses = stacked(task, stacking, falling(peaks, total))
    pairs = zip(SEEDS, peaks, strict=True)
    truth = [observed(tmp_path, seed, peak, total, **options) for seed, peak in pairs]
    assert np.ptp(truth, axis=0).max() > 0.01
    assert apart(losses, truth) < (2e-3 if "bf16" in options else CLOSE)


def test_the_base_is_there_once(tmp_path: Any, monkeypatch: Any) -> None:
    """What is not trained is the model's own memory; what is trained has the runs in front."""
    seen: list[dict[str, Any]] = []
    real = torch.func.functional_call

    def called(module: Any, state: Any, *args: Any) -> Any:
        seen.append(dict(state))
        return real(module, state, *args)

    task = task_of(tmp_path)
    roots = StackRoots(task)
    states = [roots.first(seed) for seed in SEEDS]
    stack = roots.stack(states, SEEDS, Stacking("same"))
    monkeypatch.setattr(torch.func, "functional_call", called)
    stack.train(falling([LR] * 3, 2))
    model = roots._run.stack_parts.model  # pyright: ignore
    own = {f"model.{name}": p for name, p in model.named_parameters() if not p.requires_grad}
    shared = {n for n, p in own.items() if seen[-1][n].data_ptr() == p.data_ptr()}
    assert shared == own.keys()
    trained = {name for name in seen[-1] if "lora" in name or "modules_to_save" in name}
    assert trained == {f"model.{n}" for n, p in model.named_parameters() if p.requires_grad}
    kept = [state["model"]["parameters"] for state in (*states, *map(stack.state, range(3)))]
    frozen = [i for i, p in enumerate(model.parameters()) if not p.requires_grad]
    assert all(len({id(own[i]) for own in kept}) == 1 for i in frozen)


def test_the_models_of_other_seeds_are_let_go_of(tmp_path: Any) -> None:
    """Of several seeds the first has a model; the others draw, count and compute the loss."""
    made: list[Any] = []

    def make_trainer(seed: int) -> Any:
        trainer = trainer_of(tmp_path, seed)
        made.append(weakref.ref(trainer.model))
        return trainer

    roots = StackRoots(TrainerTask(make_trainer))
    states = [roots.first(seed) for seed in SEEDS]
    roots.stack(states, SEEDS, Stacking("same")).train(falling([LR] * 3, 2))
    gc.collect()
    assert [one() is not None for one in made] == [True, False]


def test_a_run_goes_from_a_stack_to_itself_and_back(tmp_path: Any) -> None:
    """In the middle of an epoch, and behind its end; counters, data and random numbers go along."""
    task, rates = task_of(tmp_path), falling([LR, LR, LR / 5], 12)
    stack, losses = stacked(task, Stacking("same"), rates[:, :4])
    states: list[Any] = []
    truth: list[Any] = []
    for place, seed in enumerate(SEEDS):
        run = task.open(seed)
        truth.append(run.train(rates[place]))
        assert apart(losses[place], truth[-1][:4]) < CLOSE
        run.restore(stack.state(place))
        assert apart(run.train(rates[place, 4:8]), truth[-1][4:8]) < CLOSE
        assert run.trainer.state.global_step == 8
        states.append(run.save())
    roots = StackRoots(task)
    later = roots.stack(states, SEEDS, Stacking("same"))
    assert later.position == 8
    assert apart(later.train(rates[:, 8:]), np.array(truth)[:, 8:]) < CLOSE


def test_a_comparison_stacks_a_trainer(tmp_path: Any) -> None:
    """Shared beginnings, several seeds, one that breaks: the records of runs alone."""
    candidates: dict[str, Any] = {
        "late": "Hold() >> Linear(to=0, over=4)",
        "later": "Hold() >> Linear(to=0, over=2)",
    }
    asked: dict[str, Any] = {"total": 8, "peaks": [LR, 1e30], "seeds": 2}
    truth = compare(task_of(tmp_path), candidates, **asked)
    result = compare(task_of(tmp_path), candidates, **asked, engine="stacked", stack=8)
    assert all(run.stacked for run in result.runs)
    assert result.trained == truth.trained
    for one, other in zip(result.runs, truth.runs, strict=True):
        assert one.diverged == other.diverged
        if other.ended:
            assert apart(one.losses, other.losses) < CLOSE
            assert apart(one.metrics["loss"], other.metrics["loss"]) < CLOSE
    assert {run.ended for run in truth.runs} == {True, False}


class Spied(transformers.Trainer):
    """Writes down the rows of every batch that it is asked to learn from."""

    seen: ClassVar[list[Any]] = []

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        ids = inputs["input_ids"]
        batched = torch._C._functorch.is_batchedtensor(ids)  # pyright: ignore
        Spied.seen.append("several" if batched else ids[:, 2].tolist())
        return super().compute_loss(model, inputs, *args, **kwargs)


def batches_of(task: TrainerTask, stacking: Stacking, seeds: list[int]) -> list[Any]:
    Spied.seen.clear()
    stacked(task, stacking, falling([LR] * len(seeds), 8), seeds)
    return list(Spied.seen)


def test_random_numbers_of_ones_own_leave_the_data_alone(tmp_path: Any) -> None:
    """Where masks are others, a seed has its batches, whoever is in the stack with it."""
    task, stacking = task_of(tmp_path, kind=Spied), Stacking("different")
    own = task_of(tmp_path, kind=Spied, accelerator_config={"use_seedable_sampler": False})
    alone = batches_of(own, stacking, [3])
    assert batches_of(own, stacking, [3, 3, 3]) == alone
    Spied.seen.clear()
    task.open(3).train(np.full(8, LR))
    expected = list(Spied.seen)
    assert batches_of(task, stacking, [3, 3]) == expected


def test_without_dropout_several_seeds_are_one_call_if_the_model_lets_them(tmp_path: Any) -> None:
    """What the data draw is no reason to call the model for each seed."""
    task = task_of(tmp_path, dropout=0.0, kind=Spied)
    assert try_stack(task, 0).stacking.randomness == "none"
    rates = falling([LR, LR, LR / 5], 6)
    Spied.seen.clear()
    _, losses = stacked(task, Stacking(), rates)
    calls = list(Spied.seen)
    truth = [task.open(seed).train(own) for seed, own in zip(SEEDS, rates, strict=True)]
    assert apart(losses, truth) < CLOSE
    assert "several" in calls


class Remembering(transformers.Trainer):
    def compute_loss(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        loss: Any = super().compute_loss(model, *args, **kwargs)
        if model.training:
            self.last = loss.detach()
        return loss


class Looking(transformers.Trainer):
    def compute_loss(self, model: Any, *args: Any, **kwargs: Any) -> Any:
        loss: Any = super().compute_loss(model, *args, **kwargs)
        return 2 * loss if model.training and loss.item() > 0.5 else loss


def head_alone(model: Any) -> Any:
    held = [p for name, p in model.named_parameters() if p.requires_grad and "lora" not in name]
    return torch.optim.AdamW(held, lr=LR)


@pytest.mark.parametrize(
    ("kind", "optimizer", "why"),
    [
        (Observed, None, "Observed has a training_step of its own"),
        (Remembering, None, "remembers what it learns outside of its model"),
        (Looking, None, "looks at the values of tensors"),
        (transformers.Trainer, head_alone, "a parameter with a gradient that the optimizer leaves"),
    ],
    ids=["step", "memory", "values", "optimizer"],
)
def test_what_cannot_be_held_is_told_and_trained_alone(
    tmp_path: Any, kind: Any, optimizer: Any, why: str
) -> None:
    """One sentence for each, and the records of runs alone to the bit."""
    make_trainer = task_of(tmp_path, kind=kind).make_trainer
    task = TrainerTask(make_trainer, optimizer=optimizer)
    with pytest.raises(Unstackable, match=why):
        try_stack(task, 0)
    asked: dict[str, Any] = {"total": 3, "peaks": [LR], "seeds": 1}
    candidates = {"constant": "Hold()", "falling": "Linear(to=0)"}
    truth = compare(task, candidates, **asked)
    result = compare(task, candidates, **asked, engine="stacked", stack=4)
    assert any("not stacked" in note and why in note for note in result.notes)
    assert [run.losses.tobytes() for run in result.runs] == [
        run.losses.tobytes() for run in truth.runs
    ]


def test_sweeps_of_a_trainer_are_climbed_together(tmp_path: Any) -> None:
    """`find` on a trainer's task, three seeds in a stack."""
    steps: dict[str, Any] = {"rungs": 8, "updates": 1, "lowest": 1e-3, "highest": 1.0}
    task = task_of(tmp_path)
    truth, result = find(task, **steps), find(task, **steps, engine="stacked", stack=3)
    for one, other in zip(result.sweeps, truth.sweeps, strict=True):
        assert apart(one.losses, other.losses) < CLOSE
    assert "in a stack" in result.how
