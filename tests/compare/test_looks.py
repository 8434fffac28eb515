"""A proof that is looked at after every seed: all looks together hold what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.choose.gain import gain_over
from ratewise.choose.search import SURE
from ratewise.compare.looks import Looks
from ratewise.compare.verdict import Noise, Standing, judge, ranked

NAMES = ("own", "a", "b", "c")


def standings(table: np.ndarray, total: int = 50) -> list[Standing]:
    names = (*NAMES, "untrained")[: len(table)]
    return [
        Standing(name, 0.1, tuple(row), (0.1,), total)
        for name, row in zip(names, table, strict=True)
    ]


@given(seeds=st.integers(1, 40), level=st.floats(0.5, 0.999))
def test_all_looks_together_spend_the_error_and_no_more(seeds: int, level: float) -> None:
    """By Bonferroni's inequality that is enough; later looks are allowed more than earlier ones."""
    looks = Looks(seeds, level)
    spent = [1 - looks.level_at(n) for n in range(2, seeds + 1)] or [1 - looks.level_at(1)]
    assert sum(spent) == pytest.approx(1 - level, rel=1e-9)
    assert spent == sorted(spent)


REPEATS = 4000


def proofs(seeds: int, runs: int, gain: float) -> np.ndarray:
    """Return proofs that follow searches, float64[REPEATS, 4, seeds]: own settings come first.

    The finalists are the luckiest three of so many runs with the first seed, and better by `gain`.
    """
    random = np.random.default_rng(seeds * 100 + runs)
    table = random.normal(size=(REPEATS, 4, seeds))
    table[:, 1:, 0] = np.sort(random.normal(size=(REPEATS, runs)))[:, :3]
    table[:, 1:] -= gain
    return table + random.normal(size=(REPEATS, 1, seeds))


def residuals(table: np.ndarray) -> np.ndarray:
    rows, columns = table.mean(axis=2, keepdims=True), table.mean(axis=1, keepdims=True)
    return ((table - rows - columns + table.mean(axis=(1, 2), keepdims=True)) ** 2).sum((1, 2))


def ended(seeds: int, runs: int, gain: float = 0.0) -> tuple[float, float]:
    """Return how often a gain is claimed, and a winner, where a proof ends."""
    table, looks = proofs(seeds, runs, gain), Looks(seeds, SURE)
    claimed, won, on = np.zeros(REPEATS), np.zeros(REPEATS), np.ones(REPEATS, dtype=bool)
    for n in range(2, seeds + 1):
        shown = table[:, :, :n]
        margin = Noise(1.0, 4, n, looks.level_at(n)).margin * np.sqrt(
            residuals(shown) / 3 / (n - 1)
        )
        means = shown.mean(axis=2)
        best, second = np.sort(means, axis=1)[:, :2].T
        decided = second - best > margin
        stops = on & (decided | (n == seeds))
        claimed[stops], won[stops] = (means[:, 0] - best > margin)[stops], decided[stops]
        on &= ~stops
    return float(claimed.mean()), float(won.mean())


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("runs", [16, 40])
def test_a_gain_that_is_not_there_is_claimed_once_in_twenty_at_most(seeds: int, runs: int) -> None:
    """Though finalists were picked by their luck, and it is looked at after every seed.

    With a tenth on top of .05, which is three standard errors of so many repeats.
    """
    claimed, won = ended(seeds, runs)
    assert claimed <= 0.06
    assert won <= 0.06


def test_a_gain_of_some_noise_is_found() -> None:
    """Four standard deviations with three seeds: nine times of ten."""
    assert ended(3, 16, gain=4.0)[0] >= 0.9


def test_the_simulated_rule_is_the_one_that_is_used() -> None:
    """The same table gives the same answers by the functions that a choice calls."""
    looks, table = Looks(3, SURE), proofs(3, 16, 1.0)[:40]
    margin = Noise(1.0, 4, 3, looks.level_at(3)).margin * np.sqrt(residuals(table) / 6)
    for one, wanted in zip(table, margin, strict=True):
        told = standings(one), "loss", False
        verdict = judge(*told, level=looks.level_at(3))
        gain = gain_over("own", *told, level=SURE, look=looks.level_at(3))
        assert verdict.margin == pytest.approx(wanted)
        assert gain.sure == (one[0].mean() - one.mean(axis=1).min() > wanted)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6), seeds=st.integers(2, 5))
def test_as_many_seeds_as_are_named_would_tell(seed: int, seeds: int) -> None:
    """With the same noise and the same difference, so many tell and one fewer does not."""
    table = np.random.default_rng(seed).normal(size=(3, seeds))
    verdict = judge(standings(table, total=70), "loss", False, level=SURE)
    if verdict.more_seeds is None:
        assert verdict.cost is None
        return
    finished = ranked(standings(table), False)
    noise = Noise.of(finished, SURE)
    enough = seeds + verdict.more_seeds
    with_them = [Noise(noise.spread, 3, n, SURE).margin < verdict.gap for n in (enough - 1, enough)]
    assert with_them[1]
    assert not with_them[0] or enough - 1 == seeds
    assert verdict.cost == verdict.more_seeds * 70 * len(verdict.within)
    assert any(f"{verdict.cost:,} updates" in line for line in verdict.advice)


def test_what_is_all_alike_is_said_to_be() -> None:
    """No margin of nothing, and no number of seeds that would tell."""
    verdict = judge(standings(np.full((3, 3), 0.1)), "accuracy", True)
    assert verdict.text == "All alike: own, a, b end at the same accuracy, 0.1."
    assert not verdict.decided
    assert verdict.more_seeds is None
