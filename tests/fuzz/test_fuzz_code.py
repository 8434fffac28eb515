"""Written code for plans with hostile names: the shape of that for plain ones, and nothing else."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import ratewise as rw
from ratewise.convert import write
from ratewise.schedule.meant import is_pattern
from tests.convert.targets.test_hostile import (
    CODE,
    RATE,
    TOTAL,
    check_white_list,
    plan_of,
    shape,
    shape_for,
)
from tests.fuzz.tool import TOKENS, Tally, cases
from tests.hostile import driving

CROWD = 32
PATTERNED = ("torch", "lightning", "transformers")


def check(target: str, words: list[str]) -> None:
    source = write(plan_of(*words), target, total=TOTAL, approximate=True)
    assert driving(source) == set()
    compile(source.encode(), "written", "exec")
    assert shape(source) == shape_for(target, *words[:2])
    check_white_list(source)


def crowd(words: Sequence[str]) -> rw.Plan:
    """A plan with a group for each word, each with a schedule of its own."""
    levels = (rw.Hold(0.3 + k / 1000) for k in range(len(words)))
    groups = dict(zip(words, levels, strict=True))
    return rw.Plan(lr=RATE, groups=groups, peak={"lr": 3e-4}, notes=list(words[:3]))


@functools.cache
def crowd_shape(target: str, patterns: bool) -> str:
    words = [f"{'a*' if patterns else 'a'}{k}" for k in range(CROWD)]
    return shape(write(crowd(words), target, total=TOTAL, approximate=True))


def check_crowd(target: str, words: Sequence[str]) -> None:
    source = write(crowd(words), target, total=TOTAL, approximate=True)
    assert driving(source) == set()
    compile(source.encode(), "written", "exec")
    patterns = target in PATTERNED and any(map(is_pattern, words))
    assert shape(source) == crowd_shape(target, patterns)


def test_a_crowd_of_names_in_written_code() -> None:
    """A name for each of many groups; the file has the shape of that for plain ones."""
    tally = Tally("names in written code")
    for source in cases("crowds", CROWD):
        target = source.choice(CODE)
        words = {"".join(source.choices(TOKENS, k=source.choice((1, 2, 2, 3, 6)))) for _ in "ab"}
        while len(words) < CROWD:
            words.add("".join(source.choices(TOKENS, k=source.choice((2, 3, 6)))))
        named = [*sorted(words - {""}), "", "more"]
        named = named[:CROWD] if source.random() < 0.9 else named[-CROWD:]
        answer = functools.partial(check_crowd, target, named)
        tally.attack((target, named), answer, many=len(named))
    tally.close()


def test_written_code() -> None:
    """No name and no note becomes more than a text; the empty name is refused."""
    tally = Tally("written code")
    for source in cases("code", 100):
        target = source.choice(CODE)
        sizes = [source.choice((1, 1, 2, 3, 6)) for _ in range(3)]
        words = ["".join(source.choices(TOKENS, k=size)) for size in sizes]
        if words[0] == words[1]:
            words[1] += "'"
        if source.random() < 0.1:
            words[0] = source.choice(("", "lr", "initial_lr"))
        tally.attack((target, words), lambda target=target, words=words: check(target, words))
    tally.close()
