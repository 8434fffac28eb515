"""How often a schedule is found again from its log alone, by family.

    python benchmarks/inference.py --cases 500 --seed 0

Each case is drawn at random: one of 14 families, its numbers, a warm-up or none, how often it is
logged (every 10 to 500 updates), and whether beside step k stands the rate just used or the next.
The rates are computed here, by formulas of their own, and written with six significant digits.
Found means: the family is named, as the answer or among those that fit as well; and the peak, the
warm-up, the floor and the total are within 1 %.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise.audit.inference import Inferred, infer
from ratewise.audit.recorded import Recorded

PEAKS = (1e-5, 2e-5, 3e-5, 5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 6e-4, 1e-3, 2e-3, 3e-3, 0.01, 0.05, 0.1)


@dataclass(frozen=True, eq=False)
class Case:
    """A schedule that was drawn.

    Args:
        family: Its family.
        truth: What has to be found: peak, warmup, floor, total; what is left out cannot be seen.
        rates: The rate of every update.
        every: Updates between two rows of the log.
        convention: "this" or "next".
        text: What it is, in words.
    """

    family: str
    truth: dict[str, float]
    rates: np.ndarray
    every: int
    convention: str
    text: str

    def log(self, digits: int = 6, told: bool = False) -> Recorded:
        """What a logger writes of it."""
        n = len(self.rates)
        steps = np.arange(self.every, n, self.every)
        used = steps - 1 if self.convention == "this" else steps
        rates = np.array([float(f"{r:.{digits}g}") for r in self.rates[used]])
        convention = self.convention if told else "unknown"
        return Recorded(("",), steps, rates[:, None], digits=digits, convention=convention)


def warmed(
    rng: Any, body: Callable[[np.ndarray], np.ndarray], n: int, peak: float, every: int
) -> Any:
    """Return a body behind a warm-up, or without: rates, length and kind of the warm-up."""
    t = np.arange(n, dtype=np.float64)
    kind = str(rng.choice(["none", "none", "linear", "linear", "linear", "ahead", "constant",
                           "exponential"]))  # fmt: skip
    if kind == "none":
        return body(t), 0, kind
    length = int(rng.choice([100, 200, 250, 300, 400, 500, 600, 750, 800, 1000, 1500, 2000]))
    length = max(min(length, n // 4), 4 * every)  # what a log is to tell has to be seen in it
    rates = body(np.maximum(t - length, 0.0))
    up = t < length
    share = {"linear": t / length, "ahead": (t + 1) / length, "constant": np.full(n, 0.1),
             "exponential": 0.01 ** np.maximum(1 - t / length, 0.0)}[kind]  # fmt: skip
    rates[up] = (peak * share)[up]
    return rates, length, kind


def draw(rng: Any, family: str | None = None) -> Case:
    """Return a schedule and how it is logged, at random."""
    family = family or str(rng.choice(list(DRAWN)))
    peak = float(rng.choice(PEAKS)) if rng.random() < 0.8 else float(f"{rng.uniform(1, 9):.2f}e-4")
    n = int(rng.choice([3000, 5000, 8000, 10_000, 12_000, 20_000, 30_000, 50_000]))
    n = n if rng.random() < 0.6 else int(rng.integers(3000, 40_000))
    every = int(rng.choice([10, 20, 25, 50, 100, 100, 200, 250, 500]))
    every = max(10, min(every, n // 40 // 10 * 10))
    rates, truth, text = DRAWN[family](rng, n, peak, every)
    convention = str(rng.choice(["this", "next"]))
    return Case(family, {"peak": peak, **truth}, rates, every, convention, f"{text}, every {every}")


def floor_of(rng: Any) -> float:
    return float(rng.choice([0.0, 0.0, 0.1, 0.01, 0.05, 0.2]))


def constant(rng: Any, n: int, peak: float, every: int) -> Any:
    rates, warm, kind = warmed(rng, lambda x: np.full(n, peak), n, peak, every)
    return rates, {"warmup": warm}, f"constant, {kind} {warm}"


def falling(shape: Callable[[np.ndarray], np.ndarray], name: str) -> Any:
    def made(rng: Any, n: int, peak: float, every: int) -> Any:
        floor = floor_of(rng)
        early = rng.random() < 0.2 and (name == "cosine" or (name == "linear" and floor == 0))
        stops = int(n * rng.uniform(0.6, 0.95)) if early else n

        def body(x: np.ndarray) -> np.ndarray:
            return peak * (floor + (1 - floor) * shape(x / (x[-1] + 1)))

        rates, warm, kind = warmed(rng, body, n, peak, every)
        truth = {"warmup": warm, "floor": floor * peak, "total": n}
        return rates[:stops], truth, f"{name} to {floor} over {n}, {kind} {warm}, stops {stops}"

    return made


def polynomial(rng: Any, n: int, peak: float, every: int) -> Any:
    power = float(rng.choice([0.5, 0.9, 1.5, 2.0, 3.0]))
    return falling(lambda p: (1 - p) ** power, f"polynomial {power}")(rng, n, peak, every)


def exponential(rng: Any, n: int, peak: float, every: int) -> Any:
    end = float(rng.choice([0.5, 0.1, 0.01]))
    gamma = float(f"{end ** (1 / n):.7f}") if rng.random() < 0.5 else 0.96 ** (1 / (n // 40))
    rates, warm, kind = warmed(rng, lambda x: peak * gamma**x, n, peak, every)
    return rates, {"warmup": warm}, f"exponential {gamma}, {kind} {warm}"


def time_based(rng: Any, n: int, peak: float, every: int) -> Any:
    k = float(rng.choice([1e-4, 2e-4, 5e-4, 1e-3, 0.01]))
    rates, warm, kind = warmed(rng, lambda x: peak / (1 + k * x), n, peak, every)
    return rates, {"warmup": warm}, f"time-based {k}, {kind} {warm}"


def inverse_sqrt(rng: Any, n: int, peak: float, every: int) -> Any:
    t = np.arange(n, dtype=np.float64)
    warm = int(rng.choice([0, 100, 200, 400, 500, 1000, 2000, 4000]))
    warm = max(min(warm, n // 3), 3 * every) if warm else 0
    scale = warm or 10_000
    rates = peak / np.sqrt((np.maximum(t - warm, 0) + scale) / scale)
    if warm:
        rates[t < warm] = peak * t[t < warm] / warm
    return rates, {"warmup": warm}, f"inverse square root, {warm}"


def stable(rng: Any, n: int, peak: float, every: int) -> Any:
    shape = str(rng.choice(["linear", "sqrt", "cosine"]))
    decay = round(n * float(rng.choice([0.1, 0.2, 0.3, 0.5])))
    floor = floor_of(rng)

    def body(x: np.ndarray) -> np.ndarray:
        end = x.max() + 1
        p = np.clip((x - (end - decay)) / decay, 0, 1)
        u = {"linear": 1 - p, "sqrt": 1 - np.sqrt(p), "cosine": (1 + np.cos(np.pi * p)) / 2}[shape]
        return peak * (floor + (1 - floor) * u)

    rates, warm, kind = warmed(rng, body, n, peak, every)
    truth = {"warmup": warm, "floor": floor * peak, "total": n}
    return rates, truth, f"wsd {shape} {decay} to {floor} over {n}, {kind} {warm}"


def one_cycle(rng: Any, n: int, peak: float, every: int) -> Any:
    div = float(rng.choice([10, 25]))
    share = float(rng.choice([0.1, 0.2, 0.25, 0.3, 0.4, 0.5]))
    last = float(rng.choice([1e3, 1e4]))
    t = np.arange(n, dtype=np.float64)
    top, end = share * n - 1, n - 1
    a = np.clip(t / top, 0, 1)
    b = np.clip((t - top) / (end - top), 0, 1)
    if rng.random() < 0.7:
        a, b = (1 - np.cos(np.pi * a)) / 2, (1 - np.cos(np.pi * b)) / 2
    low, least = peak / div, peak / div / last
    rates = np.where(t <= top, low + (peak - low) * a, peak + (least - peak) * b)
    truth = {"warmup": share * n, "floor": least, "total": n}
    return rates, truth, f"one-cycle {share} {div} {last} over {n}"


def stairs(rng: Any, n: int, peak: float, every: int) -> Any:
    t = np.arange(n)
    factor = float(rng.choice([0.1, 0.2, 0.5, 0.3, 0.9]))
    if rng.random() < 0.5:
        size = n // int(rng.integers(3, 9)) // 100 * 100
        count = lambda x: np.floor(x / size)  # noqa: E731
        text = f"step {factor} every {size}"
    else:
        marks = np.array([[0.5, 0.75], [0.3, 0.6, 0.9], [0.6, 0.8]][int(rng.integers(3))]) * n
        marks = np.round(marks, -2)
        count = lambda x: np.searchsorted(marks, x, side="right")  # noqa: E731
        text = f"milestones {factor} at {marks}"
    del t
    rates, warm, kind = warmed(rng, lambda x: peak * factor ** count(x), n, peak, every)
    return rates, {"warmup": warm}, f"{text}, {kind} {warm}"


def piecewise(rng: Any, n: int, peak: float, every: int) -> Any:
    parts = int(rng.integers(3, 6))
    places = np.sort(rng.choice(np.arange(4, 38), parts - 1, replace=False)) * (n // 40 // 100 * 100
                                                                               or 100)  # fmt: skip
    levels = [1.0, *rng.choice([0.8, 0.6, 0.4, 0.25, 0.3, 0.15, 0.05], parts - 1, replace=False)]
    rates, warm, kind = warmed(
        rng,
        lambda x: peak * np.array(levels)[np.searchsorted(places, x, side="right")],
        n,
        peak,
        every,
    )
    return rates, {"warmup": warm}, f"piecewise {levels} at {places}, {kind} {warm}"


def plateau(rng: Any, n: int, peak: float, every: int) -> Any:
    factor = float(rng.choice([0.1, 0.2, 0.5, 0.8]))
    cuts = np.sort(rng.choice(np.arange(n // 10, n - 10), int(rng.integers(3, 7)), replace=False))
    rates, warm, kind = warmed(
        rng, lambda x: peak * factor ** np.searchsorted(cuts, x, side="right"), n, peak, every
    )
    return rates, {"warmup": warm}, f"plateau {factor} at {cuts}, {kind} {warm}"


def restarts(rng: Any, n: int, peak: float, every: int) -> Any:
    grow = int(rng.choice([1, 1, 2]))
    count = int(rng.integers(2, 6)) if grow == 1 else int(rng.integers(2, 4))
    first = int(n / (count if grow == 1 else 2**count - 1) / 100) * 100
    floor = floor_of(rng)

    def body(x: np.ndarray) -> np.ndarray:
        if grow == 1:
            p = (x % first) / first
        else:
            i = np.floor(np.log2(x / first + 1) + 1e-12)
            p = (x - first * (2**i - 1)) / (first * 2**i)
        return peak * (floor + (1 - floor) * (1 + np.cos(np.pi * p)) / 2)

    rates, warm, kind = warmed(rng, body, n, peak, every)
    truth = {"warmup": warm, "floor": floor * peak}
    return rates, truth, f"restarts {first} x{grow} to {floor}, {kind} {warm}"


def cyclic(rng: Any, n: int, peak: float, every: int) -> Any:
    up = max(100, n // int(rng.integers(4, 12)) // 50 * 50)
    down = up if rng.random() < 0.7 else 2 * up
    low = float(rng.choice([0.1, 0.2, 0.01]))
    t = np.arange(n, dtype=np.float64)
    x = t % (up + down)
    wave = np.where(x <= up, x / up, 1 - (x - up) / down)
    shrink = 0.5 ** (t // (up + down)) if rng.random() < 0.3 else 1.0
    rates = peak * (low + (1 - low) * wave * shrink)
    return rates, {"floor": low * peak}, f"cyclic {up} {down} {low} {np.ptp(shrink) > 0}"


DRAWN: dict[str, Callable[..., Any]] = {
    "constant": constant,
    "linear": falling(lambda p: 1 - p, "linear"),
    "cosine": falling(lambda p: (1 + np.cos(np.pi * p)) / 2, "cosine"),
    "cosine restarts": restarts,
    "polynomial": polynomial,
    "exponential": exponential,
    "step": stairs,
    "inverse square root": inverse_sqrt,
    "warmup-stable-decay": stable,
    "one-cycle": one_cycle,
    "cyclic": cyclic,
    "time-based": time_based,
    "piecewise constant": piecewise,
    "plateau": plateau,
}


def wrong(case: Case, found: Inferred) -> str:
    """Return what of an answer is wrong, or ""."""
    if case.family not in (found.family, *(one.family for one in found.alternatives)):
        return f"family {found.family}"
    for name, value in case.truth.items():
        given = getattr(found, name)
        slack = 0.01 * max(abs(value), 0.01 * case.truth["peak"] if name == "floor" else 0.0)
        if name == "warmup" and ", constant " in case.text:
            slack = case.every  # the rate jumps somewhere between two rows
        if given is None or abs(given - value) > slack + (name in ("warmup", "total")):
            return f"{name} {given} for {value:g}"
    return "" if found.misfit < 0.01 else f"misfit {found.misfit:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--family", help="this family alone")
    parser.add_argument("--show", action="store_true", help="print what was missed")
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    tally: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    slowest = 0.0
    for number in range(given.cases):
        family = given.family or list(DRAWN)[number % len(DRAWN)]
        case = draw(rng, family)
        before = time.process_time()
        found = infer(case.log())
        slowest = max(slowest, time.process_time() - before)
        fault = wrong(case, found)
        row = tally[family]
        row[0] += 1
        row[1] += not fault
        row[2] += bool(found.alternatives)
        if fault and given.show:
            print(f"{number}: {case.text}, {case.convention}\n    {fault}: {found.spec}")
    print(f"{'family':22} cases  found  several fit")
    for family, (cases, right, several) in tally.items():
        print(f"{family:22} {cases:5}  {right:5}  {several:5}")
    cases, right = (sum(row[i] for row in tally.values()) for i in (0, 1))
    print(f"{'all':22} {cases:5}  {right:5}  = {right / max(cases, 1):.1%}, seed {given.seed}, "
          f"slowest {slowest:.2f} s of CPU")  # fmt: skip


if __name__ == "__main__":
    main()
