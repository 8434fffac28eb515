"""How many updates a second runs make in one call of the model, beside one by one.

Of each task a run alone makes updates, and stacks of 1, 8, 32 and 128 runs at as many rates do. The
ratio is that of updates a second, all runs of a stack counted; losses are compared over the first
updates. Times are the best of several, memory is what the process (or the card) takes at most.

Run:  OMP_NUM_THREADS=2 python benchmarks/stacked.py [TASK …] [--device cuda] [--most RUNS] [--cpu]

The tasks are table, digits, characters, minilm, lora, clipped and trainer; all but the last four if
none is named. The last is MiniLM with LoRA in a `Trainer`, all layers, whose base is there once.
On a machine that has other work the clock says little: with --cpu seconds of the processor
are counted in its place, of all threads together.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent / "grids"))

from tasks import SUBJECTS

from ratewise.choose import TorchTask, TrainerTask
from ratewise.tasks.torch.stacked_parts import Unstackable, is_out_of_memory
from ratewise.tasks.torch.stacked_roots import StackRoots
from ratewise.tasks.torch.stacked_trial import try_stack

SIZES = (1, 8, 32, 128)
COMPARED = 50
"""Updates over which losses are compared."""


def moved(value: Any, device: str) -> Any:
    """Return a batch on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if isinstance(value, dict):
        return {name: moved(one, device) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(moved(one, device) for one in value)
    return value


def on(task: TorchTask, device: str) -> TorchTask:
    """Return a task whose model and batches are on a device; it is not measured."""

    def batches(seed: int) -> Iterator[Any]:
        return (moved(batch, device) for batch in task.data(seed))

    return replace(task, model=lambda: task.model().to(device), data=batches, metric=lambda _: 0.0)


def clipped() -> TorchTask:
    """Return the table's task with its gradients clipped in a hook: each run has its own step."""

    def made(model: Any) -> Any:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
        optimizer.register_step_pre_hook(lambda *_: clip(model))
        return optimizer

    def clip(model: Any) -> None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)

    return replace(SUBJECTS["table"]().task, optimizer=made)


def trainer(device: str) -> TrainerTask:
    """Return MiniLM with LoRA in a Trainer, on movie reviews padded to the longest of a batch."""
    import sentiment
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

    columns = sentiment.reviews()[0].tensors
    several = zip(*(column[:2048] for column in columns), strict=True)
    rows = [{"ids": ids, "mask": mask, "label": int(label)} for ids, mask, label in several]

    def collated(some: list[Any]) -> dict[str, Any]:
        longest = max(int(one["mask"].sum()) for one in some)
        ids, mask = (torch.stack([one[name][:longest] for one in some]) for name in ("ids", "mask"))
        labels = torch.tensor([one["label"] for one in some])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def made(seed: int) -> Any:
        where, classes = sentiment.weights(), AutoModelForSequenceClassification
        base = classes.from_pretrained(where, num_labels=2, attn_implementation="eager")
        targets = ["query", "value"]
        config = LoraConfig(task_type="SEQ_CLS", lora_dropout=0.1, target_modules=targets)
        arguments = TrainingArguments(
            tempfile.gettempdir(),
            seed=seed,
            learning_rate=1e-3,
            per_device_train_batch_size=8,
            report_to=[],
            remove_unused_columns=False,
            use_cpu=device == "cpu",
        )
        model: Any = get_peft_model(base, config)
        data: Any = rows
        return Trainer(model, arguments, collated, data)

    return TrainerTask(made, metric=lambda _: 0.0)


def seconds(train: Callable[[], Any], clock: Callable[[], float], least: float = 0.5) -> float:
    """Return the best time of several, until `least` seconds are spent."""
    best, spent, tries = float("inf"), 0.0, 0
    while tries < 3 or (spent < least and tries < 50):
        began = clock()
        train()
        took = clock() - began
        best, spent, tries = min(best, took), spent + took, tries + 1
    return best


def peak_memory(device: str) -> float:
    """Return the most that was taken so far, in MiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:  # a system that does not say it
        return float("nan")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def rates_of(peak: float, runs: int, updates: int) -> Any:
    return np.outer(peak * np.geomspace(0.1, 1, runs), np.ones(updates))


def table(
    name: str, task: Any, device: str, most: int, slow: bool, clock: Callable[[], float]
) -> None:
    """Print the ratios of one task."""
    try:
        trial = try_stack(task, 0)
    except Unstackable as error:
        print(f"{name}: not stacked, as {error}")
        return
    roots, run = StackRoots(task), task.open(0)
    parts, first = run.stack_parts, roots.first(0)
    weights = [p.numel() for p in parts.model.parameters()]
    trained = [p.numel() for p in parts.model.parameters() if p.requires_grad]
    peak, pieces = parts.groups.reference, 2 if slow else 10
    compared = rates_of(peak, 2 if slow else 8, COMPARED)
    losses: list[Any] = []
    for own in compared:
        run.restore(first)
        losses.append(run.train(own))
    run.restore(first)
    alone = seconds(lambda: run.train(compared[0, :pieces]), clock) / pieces
    print(
        f"{name}: {sum(weights):,} weights, {sum(trained):,} trained, "
        f"{trial.stacking.randomness} random numbers, "
        f"{'a step for each' if trial.stacking.own_steps else 'one step for all'}; "
        f"alone {1 / alone:,.1f} updates a second, {peak_memory(device):8,.0f} MiB at most"
    )
    if trial.stacking.randomness != "different":
        stack = roots.stack([first] * len(compared), [0] * len(compared), trial.stacking)
        off = np.max(np.abs(stack.train(compared) / np.array(losses) - 1))
        print(f"  losses of {COMPARED} updates within {off:.1e} of those alone, relatively")
    for size in (size for size in SIZES if size <= most):
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        own = rates_of(peak, size, pieces)
        try:
            stack = roots.stack([first] * size, [0] * size, trial.stacking)
            took = seconds(lambda: stack.train(own), clock) / pieces  # noqa: B023
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            print(f"  {size:>4} runs: not enough memory")
            break
        print(
            f"  {size:>4} runs: {size / took:>9,.1f} updates a second, "
            f"{size * alone / took:5.2f}× alone, {peak_memory(device):8,.0f} MiB at most"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Stacks beside runs one by one.")
    parser.add_argument("tasks", nargs="*", default=["table", "digits", "characters"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--cpu", action="store_true")
    given = parser.parse_args()
    clock = time.process_time if given.cpu else time.perf_counter
    where = torch.cuda.get_device_name() if given.device == "cuda" else platform.machine()
    print(f"torch {torch.__version__}, {where}, {torch.get_num_threads()} threads, seed 0")
    for name in given.tasks:
        if name == "trainer":
            task: Any = trainer(given.device)
        else:
            plain = clipped() if name == "clipped" else SUBJECTS[name]().task
            task = on(plain, given.device)
        slow = name in ("minilm", "lora", "trainer")
        table(name, task, given.device, given.most, slow, clock)


if __name__ == "__main__":
    main()
