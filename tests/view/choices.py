"""Choices for tests of what is shown: a real one, and one with very many runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from ratewise.choose import Choice, choose
from ratewise.choose.result import Record
from tests.choose.valley import Valley


@cache
def chosen() -> Choice:
    """What is chosen for a valley, with three seeds and own settings to be better than."""
    return watched()[0].asked_by("ratewise choose valley.py:valley")


@cache
def watched() -> tuple[Choice, list[tuple[int, int, str]]]:
    """The same, and what was told on the way."""
    seen: list[tuple[int, int, str]] = []
    task = Valley(peak=0.01)
    return choose(task, total=60, seeds=3, progress=lambda *told: seen.append(told)), seen


def with_runs(choice: Choice, count: int, updates: int) -> Choice:
    """The same with so many runs of so many updates."""
    random = np.random.default_rng(0)
    names = [one.name for one in choice.expected]
    runs = tuple(
        Record(
            name=names[i % len(names)], schedule="Hold()", peak=0.001 * (1 + i // 100), seed=i,
            metrics={"loss": 1.0 + i / count, "score": -1.0},
            losses=3 * np.exp(-np.arange(updates) / 200) + random.random(updates) / 5,
            rates=np.full(updates, 0.001),
        )
        for i in range(count)
    )  # fmt: skip
    return replace(choice, runs=runs)


def hostile(choice: Choice, name: str) -> Choice:
    """The same with the winner called something else."""
    old = choice.name
    rename = {old: name}
    runs = tuple(replace(one, name=rename.get(one.name, one.name)) for one in choice.runs)
    proof = replace(
        choice.proof,
        runs=tuple(replace(one, name=rename.get(one.name, one.name)) for one in choice.proof.runs),
    )
    trials = tuple(replace(one, name=rename.get(one.name, one.name)) for one in choice.trials)
    known = tuple(replace(one, name=rename.get(one.name, one.name)) for one in choice.expected)
    return replace(choice, name=name, runs=runs, proof=proof, trials=trials, expected=known)
