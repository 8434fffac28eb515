"""The generator: runs that are right, and runs with a mistake, of every trainer that is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ratewise.audit import Audit, audit
from tests.audit import mistakes
from tests.audit.mistakes import Case

OF_TRAINERS = 8
"""One case in so many is trained by a framework; the others are loops of plain PyTorch."""
OF_PROCESSES = 150
"""One case in so many is trained by two processes, which takes seconds to begin."""


def wrong_cases(count: int, seed: int, folder: Path, frameworks: Any = ()) -> Iterator[Case]:
    """Return cases with mistakes: all kinds in turn, their numbers drawn at random."""
    from tests.audit import trainers

    kinds = [(name, one) for name in frameworks for one in trainers.TRAINERS[name][1] if one]
    for i in range(count):
        place = folder / f"wrong-{i}"
        if kinds and i % OF_PROCESSES == OF_PROCESSES // 2 and "accelerate" in frameworks:
            from tests.audit import ranks

            yield ranks.train("each_process", seed + i, place)
        elif kinds and i % OF_TRAINERS == 0:
            framework, name = kinds[i // OF_TRAINERS % len(kinds)]
            yield trainers.run(framework, name, seed + i, place)
        else:
            script = mistakes.MISTAKES[i % len(mistakes.MISTAKES)]
            yield mistakes.make(script, seed + i, place)


def right_cases(count: int, seed: int, folder: Path, frameworks: Any = ()) -> Iterator[Case]:
    """Return right runs: any family, logger and convention, sparse, rounded, resumed, skipped."""
    from tests.audit import trainers

    for i in range(count):
        place = folder / f"right-{i}"
        if frameworks and i % OF_PROCESSES == OF_PROCESSES // 2 and "accelerate" in frameworks:
            from tests.audit import ranks

            yield ranks.train("", seed + i, place)
        elif frameworks and i % (2 * OF_TRAINERS) == 0:
            framework = frameworks[i // (2 * OF_TRAINERS) % len(frameworks)]
            yield trainers.run(framework, "", seed + i, place)
        else:
            yield mistakes.make(mistakes.right, seed + i, place)


def held(case: Case) -> Audit:
    """Return the audit of a case."""
    return audit(case.log, case.plan, **case.given)


def named(found: Audit) -> str:
    """Return what an audit says of a run, in a word."""
    if found.agrees is True:
        return "agrees"
    if found.agrees is None:
        return "undecided"
    return found.causes[0].kind if found.causes else "no cause"


def is_right(case: Case, found: Audit) -> bool:
    """Whether the cause is named first; of a right run, whether it is not accused."""
    if not case.kinds:
        return found.agrees is not False
    return set(named(found).split("+")) == set(case.kinds[0].split("+"))
