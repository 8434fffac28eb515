"""Scripts of plain PyTorch, each with one mistake, or with two, or with none."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import lr_scheduler as schedulers

from tests.audit.loops import FORMATS, WARMED, Loop, Recipe, Writer, model_and_optimizer


@dataclass
class Case:
    """A run that was trained, and what an audit should find.

    Args:
        name: The mistake, "" for a right run.
        framework: Whose trainer wrote the log.
        log: The log.
        plan: What was meant.
        given: What `audit` is told besides.
        kinds: Words for what was done wrong; any of them is right, empty for a right run.
    """

    name: str
    framework: str
    log: Any
    plan: Any
    given: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ()
    about: str = ""


def draw_recipe(rng: random.Random, families: tuple[str, ...] = ()) -> Recipe:
    family = rng.choice(families or (*WARMED, "annealed", "polynomial", "stairs"))
    total = rng.randint(240, 800)
    warmup = rng.randint(max(total // 30, 8), total // 5)
    floor = rng.choice([0.0, 0.0, 0.1, 0.05, round(rng.uniform(0.01, 0.2), 3)])
    lr = float(f"{10 ** rng.uniform(-4.3, -1.5):.2g}")
    return Recipe(family, total, warmup, floor, lr)


def draw_loop(rng: random.Random, folder: Path, recipe: Recipe, rows: int = 30) -> Loop:
    form = rng.choice(FORMATS)
    interval = max(recipe.total // rng.randint(rows, 4 * rows), 1)
    return Loop(Writer(folder, form), interval, used=rng.random() < 0.6, base=rng.choice((0, 1)))


Made = tuple[Any, dict[str, Any], tuple[str, ...]]


def finish(loop: Loop, recipe: Recipe, *kinds: str, **given: Any) -> Made:
    told = {"plan": recipe.plan, "total": recipe.total, "lr": recipe.lr, **given}
    return loop.writer.close(), told, kinds


def plain_run(loop: Loop, recipe: Recipe, end: int | None = None, **change: Any) -> None:
    model, optimizer = model_and_optimizer(recipe.lr)
    scheduler = recipe.scheduler(optimizer, **change)
    loop.run(model, optimizer, scheduler, 0, recipe.total if end is None else end)


# Right runs -----------------------------------------------------------------------------------


def right(rng: random.Random, folder: Path) -> Made:
    """Any family, any logger; perhaps sparse, stopped short, resumed as it should be, skipped."""
    recipe = draw_recipe(rng)
    loop = draw_loop(rng, folder, recipe, rows=rng.choice([3, 6, 30, 60, 300]))
    end = recipe.total if rng.random() < 0.7 else rng.randint(recipe.total // 3, recipe.total)
    if rng.random() < 0.2:
        loop.skip = frozenset(rng.sample(range(5, end), rng.randint(1, 3)))
    if not loop.skip and rng.random() < 0.3:
        model, optimizer = model_and_optimizer(recipe.lr)
        scheduler = recipe.scheduler(optimizer)
        middle = rng.randint(5, end - 5)
        loop.run(model, optimizer, scheduler, 0, middle)
        state = optimizer.state_dict(), scheduler.state_dict()
        if rng.random() < 0.5:  # what was logged behind the checkpoint is written again
            loop.run(model, optimizer, scheduler, middle, min(middle + 4 * loop.interval, end))
        model, optimizer = model_and_optimizer(recipe.lr)
        scheduler = recipe.scheduler(optimizer)
        optimizer.load_state_dict(state[0])
        scheduler.load_state_dict(state[1])
        loop.run(model, optimizer, scheduler, middle, end)
    else:
        plain_run(loop, recipe, end)
    return finish(loop, recipe)


# Wrong ones -----------------------------------------------------------------------------------


def stepped_early(rng: random.Random, folder: Path) -> Made:
    """scheduler.step() before optimizer.step(), in a log of the rate that was used."""
    recipe = draw_recipe(rng, (*WARMED, "annealed", "polynomial"))
    loop = draw_loop(rng, folder, recipe)
    loop.used, loop.early, loop.base = True, True, 1
    plain_run(loop, recipe)
    return finish(loop, recipe, "off_by_one", logged="this")


def stepped_late(rng: random.Random, folder: Path) -> Made:
    """The step behind the first update is left out, in a run without a loss scale."""
    recipe = draw_recipe(rng, (*WARMED, "annealed", "polynomial"))
    loop = draw_loop(rng, folder, recipe)
    loop.used, loop.late, loop.base = True, True, 1
    plain_run(loop, recipe)
    return finish(loop, recipe, "off_by_one", skips=False)


def each_batch(rng: random.Random, folder: Path) -> Made:
    """The schedule is stepped at every batch of an accumulated update."""
    recipe = draw_recipe(rng)
    loop = draw_loop(rng, folder, recipe, rows=60)
    loop.batches, loop.each_batch = rng.choice((2, 3, 4, 8)), True
    plain_run(loop, recipe)
    return finish(loop, recipe, "steps_per_update")


def now_and_then(rng: random.Random, folder: Path) -> Made:
    """The schedule is stepped once in several updates."""
    recipe = draw_recipe(rng, (*WARMED, "annealed", "polynomial"))
    loop = draw_loop(rng, folder, recipe)
    loop.every = rng.choice((2, 3, 4, 8))
    plain_run(loop, recipe)
    return finish(loop, recipe, "updates_per_step")


def once_an_epoch(rng: random.Random, folder: Path) -> Made:
    """The schedule is stepped in the loop over epochs."""
    recipe = draw_recipe(rng, (*WARMED, "annealed", "polynomial"))
    loop = draw_loop(rng, folder, recipe)
    loop.every = rng.randint(35, recipe.total // 6)
    plain_run(loop, recipe)
    told = {"epoch": float(loop.every)} if rng.random() < 0.5 else {}
    return finish(loop, recipe, "per_epoch", **told)


def other_total(rng: random.Random, folder: Path) -> Made:
    """The schedule of a run of another length."""
    families = ("cosine", "linear", "joined", "product", "annealed", "polynomial")
    recipe = draw_recipe(rng, families)
    loop = draw_loop(rng, folder, recipe)
    factor = rng.choice([rng.uniform(0.45, 0.9), rng.uniform(1.1, 3.7)])
    plain_run(loop, recipe, total=max(round(recipe.total * factor), recipe.warmup + 20))
    return finish(loop, recipe, "wrong_total")


def not_restored(rng: random.Random, folder: Path) -> Made:
    """A resume that makes the scheduler anew: from the start, or for what is left."""
    recipe = draw_recipe(rng, ("cosine", "linear", "joined", "product"))
    loop = draw_loop(rng, folder, recipe)
    model, optimizer = model_and_optimizer(recipe.lr)
    middle = rng.randint(recipe.total // 4, recipe.total * 2 // 3)
    loop.run(model, optimizer, recipe.scheduler(optimizer), 0, middle)
    if rng.random() < 0.5:
        kept = loop.writer.rows[-1][0]
        loop.run(model, optimizer, recipe.scheduler(optimizer), middle, middle + 1)
        loop.writer.rows = [row for row in loop.writer.rows if row[0] <= kept]
    model, optimizer = model_and_optimizer(recipe.lr)
    change = {}
    if rng.random() < 0.3:
        middle = middle // 50 * 50 or 50
        loop.writer.rows = [row for row in loop.writer.rows if row[0] < middle]
        change = {"total": recipe.total - middle}
    loop.run(model, optimizer, recipe.scheduler(optimizer, **change), middle, recipe.total)
    return finish(loop, recipe, "restarted")


def whole_decay(rng: random.Random, folder: Path) -> Made:
    """The decay is as long as the run, and comes behind the warm-up."""
    recipe = draw_recipe(rng, ("joined",))
    recipe = dataclasses.replace(recipe, warmup=recipe.total // rng.randint(5, 12))
    loop = draw_loop(rng, folder, recipe)
    plain_run(loop, recipe, total=recipe.total + recipe.warmup)
    return finish(loop, recipe, "warmup_extra")


def chained(rng: random.Random, folder: Path) -> Made:
    """Warm-up and decay are chained, and not one behind the other."""
    recipe = draw_recipe(rng, ("joined",))
    recipe = dataclasses.replace(recipe, floor=0.0)
    loop = draw_loop(rng, folder, recipe)
    model, optimizer = model_and_optimizer(recipe.lr)
    climb = schedulers.LinearLR(optimizer, start_factor=0.05, total_iters=recipe.warmup)
    decay = schedulers.CosineAnnealingLR(optimizer, recipe.total)
    loop.run(model, optimizer, schedulers.ChainedScheduler([climb, decay]), 0, recipe.total)
    return finish(loop, recipe, "warmup_inside")


def too_long_a_warmup(rng: random.Random, folder: Path) -> Made:
    """A warm-up longer than the run, or left before its end."""
    recipe = draw_recipe(rng, ("cosine", "joined"))
    loop = draw_loop(rng, folder, recipe, rows=60)
    if rng.random() < 0.5:
        warmup = rng.randint(recipe.total + 10, recipe.total * 6)
        plain_run(loop, recipe, warmup=warmup, total=10 * warmup)
    else:
        stop = rng.randint(recipe.warmup // 3, recipe.warmup * 2 // 3)
        model, optimizer = model_and_optimizer(recipe.lr)
        recipe = dataclasses.replace(recipe, family="joined")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            climb = schedulers.LinearLR(optimizer, start_factor=0.05, total_iters=recipe.warmup)
            floor = recipe.floor * recipe.lr
            decay = schedulers.CosineAnnealingLR(optimizer, recipe.total - stop, eta_min=floor)
            both = schedulers.SequentialLR(optimizer, [climb, decay], milestones=[stop])
        loop.run(model, optimizer, both, 0, recipe.total)
    return finish(loop, recipe, "warmup_short")


def another_warmup(rng: random.Random, folder: Path) -> Made:
    """A warm-up in batches, or none."""
    recipe = draw_recipe(rng, ("cosine", "linear", "product"))
    loop = draw_loop(rng, folder, recipe, rows=60)
    warmup = rng.choice([recipe.warmup * 2, recipe.warmup * 3, recipe.warmup // 2])
    plain_run(loop, recipe, warmup=warmup)
    return finish(loop, recipe, "wrong_warmup")


def another_peak(rng: random.Random, folder: Path) -> Made:
    """Another rate than the one meant."""
    recipe = draw_recipe(rng)
    loop = draw_loop(rng, folder, recipe)
    factor = rng.choice((0.1, 10.0, 1 / 3, 3.0, round(rng.uniform(1.2, 1.9), 2)))
    wrong = dataclasses.replace(recipe, lr=float(f"{recipe.lr * factor:.6g}"))
    plain_run(loop, wrong)
    return finish(loop, recipe, "wrong_peak")


def times_processes(rng: random.Random, folder: Path) -> Made:
    """The rate times the number of processes, as scripts for several have it."""
    recipe = draw_recipe(rng)
    loop = draw_loop(rng, folder, recipe)
    world = rng.choice((2, 4, 8, 16))
    plain_run(loop, dataclasses.replace(recipe, lr=recipe.lr * world))
    return finish(
        loop, recipe, "world_size", **({"processes": world} if rng.random() < 0.5 else {})
    )


def groups_swapped(rng: random.Random, folder: Path) -> Made:
    """The rates of two groups in the wrong order, or one rate for both."""
    recipe = draw_recipe(rng, ("cosine", "linear", "wsd"))
    loop = draw_loop(rng, folder, recipe)
    loop.writer.names = ("lr/body", "lr/head")
    head = float(f"{recipe.lr * rng.choice((5, 10, 20)):.6g}")
    rates = rng.choice([(head, recipe.lr), (recipe.lr, recipe.lr), (head, head)])
    model, optimizer = model_and_optimizer(recipe.lr, rates)
    loop.run(model, optimizer, recipe.scheduler(optimizer), 0, recipe.total)
    return finish(loop, recipe, "wrong_group", lr={"body": recipe.lr, "head": head})


def floor_mistaken(rng: random.Random, folder: Path) -> Made:
    """eta_min is a rate and was given as a ratio, or a ratio and was given as a rate."""
    recipe = draw_recipe(rng, ("cosine", "joined", "annealed"))
    recipe = dataclasses.replace(recipe, floor=rng.choice((0.05, 0.1, 0.2)))
    loop = draw_loop(rng, folder, recipe)
    if rng.random() < 0.5:
        plain_run(loop, recipe, floor=recipe.floor * recipe.lr)
        return finish(loop, recipe, "floor_as_ratio")
    plain_run(loop, recipe, floor=recipe.floor / recipe.lr)
    return finish(loop, recipe, "floor_as_value")


def went_on(rng: random.Random, folder: Path) -> Made:
    """A run longer than its schedule, which holds, or rises again."""
    recipe = draw_recipe(rng, ("linear", "annealed", "joined", "polynomial"))
    loop = draw_loop(rng, folder, recipe, rows=60)
    plain_run(loop, recipe, end=round(recipe.total * rng.uniform(1.2, 1.8)))
    holds = recipe.family in ("linear", "polynomial")
    return finish(loop, recipe, "held_past_end" if holds else "rebounds_past_end")


def skips_counted(rng: random.Random, folder: Path) -> Made:
    """Updates that the loss scale skipped move the schedule on, in a count of updates made."""
    recipe = draw_recipe(rng, ("cosine", "linear", "annealed"))
    loop = draw_loop(rng, folder, recipe, rows=80)
    loop.used, loop.base = True, 1
    count = rng.randint(2, 4)
    loop.skip = frozenset(rng.sample(range(recipe.warmup, recipe.total * 3 // 4), count))
    loop.count_skipped = True
    plain_run(loop, recipe)
    return finish(loop, recipe, "skipped_counted", logged="this")


def never_stepped(rng: random.Random, folder: Path) -> Made:
    """No scheduler.step(), or a rate that nobody reads after a few updates."""
    recipe = draw_recipe(rng, ("cosine", "linear", "annealed", "polynomial", "joined"))
    loop = draw_loop(rng, folder, recipe)
    model, optimizer = model_and_optimizer(recipe.lr)
    way = rng.randrange(3)
    scheduler = recipe.scheduler(optimizer)
    if way == 0:
        loop.never = True
    elif way == 1:  # the schedule moves an optimizer that does not train
        _, other = model_and_optimizer(recipe.lr)
        model, optimizer = model_and_optimizer(recipe.lr)
        scheduler = recipe.scheduler(other)
    else:
        stop = rng.randint(3, recipe.total // 2)
        loop.run(model, optimizer, scheduler, 0, stop)
        loop.never = True
        loop.run(model, optimizer, scheduler, stop, recipe.total)
        return finish(loop, recipe, "frozen")
    loop.run(model, optimizer, scheduler, 0, recipe.total)
    return finish(loop, recipe, "frozen")


def few_bits(rng: random.Random, folder: Path) -> Made:
    """A table of rates in bfloat16 or float16."""
    recipe = draw_recipe(rng, ("cosine", "linear"))
    loop = draw_loop(rng, folder, recipe)
    loop.writer.form = rng.choice(("{!r}", "{:.6g}"))
    dtype = rng.choice((torch.bfloat16, torch.float16))
    model, optimizer = model_and_optimizer(recipe.lr)
    scheduler = recipe.scheduler(optimizer)

    class Table:
        """Sets what a scheduler gives, as a table keeps it."""

        def step(self) -> None:
            scheduler.step()
            for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
                group["lr"] = float(torch.tensor(rate, dtype=dtype))

    loop.run(model, optimizer, Table(), 0, recipe.total)
    return finish(loop, recipe, "float32")


def another_shape(rng: random.Random, folder: Path) -> Made:
    """A cosine in place of a line, or a line in place of a cosine."""
    recipe = draw_recipe(rng, ("cosine", "linear"))
    recipe = dataclasses.replace(recipe, floor=0.0)
    loop = draw_loop(rng, folder, recipe)
    other = "linear" if recipe.family == "cosine" else "cosine"
    plain_run(loop, dataclasses.replace(recipe, family=other))
    return finish(loop, recipe, "wrong_shape")


def two_at_once(rng: random.Random, folder: Path) -> Made:
    """A wrong clock and a wrong peak, or a wrong clock and a restart."""
    recipe = draw_recipe(rng, ("cosine", "linear", "joined"))
    loop = draw_loop(rng, folder, recipe, rows=60)
    loop.batches, loop.each_batch = rng.choice((2, 3)), True
    kinds = ["steps_per_update"]
    if rng.random() < 0.5:
        wrong = dataclasses.replace(recipe, lr=float(f"{recipe.lr * rng.choice((0.3, 3)):.6g}"))
        plain_run(loop, wrong)
        kinds.append("wrong_peak")
    else:
        middle = rng.randint(recipe.total // 4, recipe.total // 3)
        for begin, end in ((0, middle), (middle, recipe.total)):
            model, optimizer = model_and_optimizer(recipe.lr)
            loop.run(model, optimizer, recipe.scheduler(optimizer), begin, end)
        kinds.append("restarted")
    return finish(loop, recipe, "+".join(kinds))


Script = Callable[[random.Random, Path], Made]

MISTAKES: tuple[Script, ...] = (
    *(stepped_early, stepped_late, each_batch, now_and_then, once_an_epoch, other_total),
    *(not_restored, whole_decay, chained, too_long_a_warmup, another_warmup, another_peak),
    *(times_processes, groups_swapped, floor_mistaken, went_on, skips_counted, never_stepped),
    *(few_bits, another_shape, two_at_once),
)


def make(script: Script, seed: int, folder: Path) -> Case:
    """Run a script with numbers drawn from a seed."""
    rng = random.Random(f"{script.__name__} {seed}")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log, told, kinds = script(rng, folder)
    plan = told.pop("plan")
    return Case(script.__name__, "torch", log, plan, told, kinds, about=f"seed {seed}")
