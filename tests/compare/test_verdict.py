"""The verdict: what numbers allow to say, and no more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ratewise.compare.verdict import Standing, judge, residual

TABLES = st.tuples(st.integers(2, 5), st.integers(2, 5), st.integers(0, 10**6))


def table(candidates: int, seeds: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(size=(candidates, seeds)) + 0.5 * random.normal(size=(candidates, 1))


def standings(values: np.ndarray, **changes: object) -> list[Standing]:
    given = {"peak": 0.1, "peaks": (0.05, 0.1, 0.2), "total": 100} | changes
    return [Standing(name=f"c{i}", values=tuple(row), **given) for i, row in enumerate(values)]


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_adding_the_same_to_a_seed_changes_nothing(shape: tuple[int, int, int]) -> None:
    """Seeds are blocks: how hard a seed is for everybody does not count as noise."""
    values = table(*shape)
    shifted = values + 100 * np.arange(values.shape[1])
    a, b = (judge(standings(one), "loss", False) for one in (values, shifted))
    assert (a.best, a.within) == (b.best, b.within)
    assert b.margin == pytest.approx(a.margin, rel=1e-9)
    assert b.gap == pytest.approx(a.gap, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_higher_is_better_is_the_mirror_of_lower(shape: tuple[int, int, int]) -> None:
    """The verdict on a metric is that on its negative, turned round."""
    values = table(*shape)
    a = judge(standings(values), "loss", False)
    b = judge(standings(-values), "gain", True)
    assert (a.best, a.within) == (b.best, b.within)


@settings(max_examples=25, deadline=None)
@given(TABLES)
def test_the_best_is_within_noise_of_itself_and_the_text_says_who(
    shape: tuple[int, int, int],
) -> None:
    """`within` starts with the best; the sentence has a margin or names everyone within noise."""
    verdict = judge(standings(table(*shape)), "loss", False)
    assert verdict.within[0] == verdict.best
    assert verdict.decided == (verdict.gap > verdict.margin)
    assert all(name in verdict.text for name in verdict.within)
    assert ("±" in verdict.text) == verdict.decided


def test_the_margin_agrees_with_a_paired_t_interval_for_two_candidates() -> None:
    """With two candidates Tukey's margin is that of the paired t-test at 90 %."""
    values = table(2, 6, 3)
    difference = values[0] - values[1]
    low, high = stats.ttest_1samp(difference, 0).confidence_interval(0.90)
    assert judge(standings(values), "loss", False).margin == pytest.approx((high - low) / 2)


def test_the_residual_is_what_candidates_and_seeds_do_not_explain() -> None:
    """A table of row plus column effects leaves nothing."""
    additive = np.add.outer(np.array([1.0, 2.0, 5.0]), np.array([0.0, 3.0, 7.0]))
    assert residual(additive) == pytest.approx(0, abs=1e-24)


def test_equal_candidates_rarely_get_a_winner() -> None:
    """With nothing to find, a winner is named in at most about one comparison in ten."""
    random = np.random.default_rng(0)
    named = [
        judge(standings(random.normal(size=(4, 3))), "loss", False).decided for _ in range(200)
    ]
    assert sum(named) <= 30


def test_one_seed_cannot_tell() -> None:
    """A single seed gives an order and no winner, however large the gap."""
    verdict = judge(standings(np.array([[1.0], [100.0]])), "loss", False)
    assert not verdict.decided
    assert "one seed cannot tell" in verdict.text
    assert verdict.within == ("c0", "c1")
    assert "seeds=3" in str(verdict)
    alike = judge(standings(np.ones((3, 1))), "loss", False)
    assert alike.text == "c0 and c1 end at the same loss, 1, with the one seed."


def test_what_did_not_finish_is_left_out_and_named() -> None:
    """A candidate without finished peaks is not part of the statistics."""
    finished = standings(table(3, 3, 0))
    lost = Standing("lost", 0.1, (), (0.1, 0.2), 100, failed=6)
    with_lost, without = (judge(one, "loss", False) for one in ([*finished, lost], finished))
    assert (with_lost.margin, with_lost.within) == (without.margin, without.within)
    assert any("lost" in line for line in with_lost.advice)


def test_nothing_finished_is_said() -> None:
    """No number is made up when every run diverged."""
    verdict = judge([Standing("a", 0.1, (), (0.1,), 10)], "loss", False)
    assert verdict.best is None
    assert "No candidate finished" in verdict.text


@pytest.mark.parametrize(
    ("peak", "word", "next_one"), [(0.05, "smallest", "0.025"), (0.2, "largest", "0.4")]
)
def test_a_best_peak_on_the_edge_is_said_aloud(peak: float, word: str, next_one: str) -> None:
    """The advice names the candidates, the edge and a further peak."""
    verdict = judge(standings(table(2, 3, 0), peak=peak), "loss", False)
    (line,) = verdict.advice
    assert f"The {word} peak" in line
    assert "c0, c1" in line
    assert line.endswith(f"such as {next_one}.")


def test_a_best_peak_inside_the_range_needs_no_advice() -> None:
    """Inside the range there is nothing to widen."""
    assert judge(standings(table(2, 3, 0)), "loss", False).advice == ()


def test_one_peak_and_unequal_budgets_are_said_aloud() -> None:
    """Shape and peak are confounded at one peak, shape and budget at different totals."""
    short, long = standings(table(2, 3, 0), peaks=(0.1,))
    long = Standing("long", 0.1, long.values, (0.1,), 400)
    advice = judge([short, long], "loss", False).advice
    assert any("One peak each" in line for line in advice)
    assert any("100 to 400 updates" in line for line in advice)
