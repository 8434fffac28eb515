"""Written code for plans with hostile names: the shape of that for plain ones, and nothing else."""

from __future__ import annotations

from ratewise.convert import write
from tests.convert.targets.test_hostile import (
    CODE,
    TOTAL,
    check_white_list,
    plan_of,
    shape,
    shape_for,
)
from tests.fuzz.tool import TOKENS, Tally, cases
from tests.hostile import driving


def check(target: str, words: list[str]) -> None:
    source = write(plan_of(*words), target, total=TOTAL, approximate=True)
    assert driving(source) == set()
    compile(source.encode(), "written", "exec")
    assert shape(source) == shape_for(target, *words[:2])
    check_white_list(source)


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
