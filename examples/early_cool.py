"""How long should a fine-tune be? A run that finds its own length, against fixed lengths.

Fine-tunes MiniLM on movie reviews, as `sentiment.py` does. Warmup-stable-decay runs of fixed
lengths are compared, the last fifth of each a cooldown; since they share the stable phase, it is
trained once. Beside them runs one schedule that listens: it stays at the peak until the loss on
one half of the reviews held out stops falling, cools down and stops. All are judged on the other
half. Prints the losses, whether the run that listens is within noise of the best fixed length,
and draws the figure.

    python examples/early_cool.py [--lengths N N …] [--every N] [--seeds N] [--judges N]
                                  [--out DIR]
"""

from __future__ import annotations

import argparse
import functools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import sentiment
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import Comparison, TorchTask, compare

PEAK = 1e-3
WARMUP = 25


def metric(model: nn.Module, judges: int = sentiment.HELD_OUT) -> dict[str, float]:
    """Return the loss on the half that judges, and on the half that is listened to."""
    ids, mask, labels = sentiment.reviews()[1][:judges]
    with torch.no_grad():
        losses = nn.functional.binary_cross_entropy_with_logits(
            model(ids, mask), labels, reduction="none"
        )
    return {"loss": losses[0::2].mean().item(), "heard": losses[1::2].mean().item()}


def asked(judges: int) -> TorchTask:
    """Return the fine-tune, judged and listened to by so many reviews."""
    judged = functools.partial(metric, judges=judges)
    return replace(sentiment.task, metric=judged, higher_is_better=())


def fixed(length: int) -> tuple[rw.Schedule, int]:
    """Return a schedule that stays at the peak, and cools down in the last fifth of a length."""
    cooldown = round((length - WARMUP) / 5)
    return rw.Warmup(WARMUP) >> rw.Hold() >> rw.Linear(to=0, over=cooldown), length


@dataclass(frozen=True)
class Heard:
    """What came of a run that listens: its length, its final loss, and what it heard."""

    seed: int
    length: int
    loss: float
    heard: list[tuple[int, float]]
    schedule: str


def listen(task: TorchTask, schedule: rw.Schedule, longest: int, every: int, seed: int) -> Heard:
    """Train with a schedule that listens until it ends the run, evaluating at intervals."""
    machine = schedule.resolve(longest).machine()
    state, t, heard = machine.init(), 0, []
    run = task.open(seed)
    while t < longest and not machine.stops(state, t):
        levels: list[float] = []
        while len(levels) < min(every, longest - t) and not machine.stops(state, t + len(levels)):
            levels.append(machine.level(state, t + len(levels)))
        run.train(PEAK * np.array(levels))
        t += len(levels)
        heard.append((t, run.measure()["heard"]))
        state = machine.observe(state, t, {"heard": heard[-1][1]})
    return Heard(seed, t, run.measure()["loss"], heard, str(schedule.replay(machine.log(state))))


def judge(result: Comparison, found: list[Heard]) -> str:
    """Say how the runs that listened stand against the best fixed length, seed by seed.

    The margin is that of a paired comparison: twice the standard error of the mean difference.
    """
    best = result.standings[0]
    lengths = ", ".join(f"{one.length:,}" for one in found)
    mine = np.array([one.loss for one in found])
    lines = [
        f"listening: mean loss {mine.mean():.4f}, at lengths it found itself: {lengths}",
        f"best fixed length, known only afterwards: {best.name}, mean loss {best.mean:.4f}",
    ]
    if len(found) > 1:
        gaps = mine - np.array(best.values)
        margin = 2 * gaps.std(ddof=1) / np.sqrt(len(gaps))
        verdict = "within noise of" if gaps.mean() <= margin else "behind"
        lines.append(f"difference {gaps.mean():+.4f} ± {margin:.4f}: {verdict} the best length")
    searched = result.trained / len(found)
    spent = np.mean([one.length for one in found])
    lines.append(
        f"updates per seed: {spent:,.0f}, against {searched:,.0f} for trying "
        f"{len(result.standings)} lengths ({searched / spent:.1f}×)"
    )
    return "\n".join(lines)


def draw(result: Comparison, found: list[Heard], path: Path) -> None:
    """Draw the final losses over the lengths, and what was heard on the way."""
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    for one in result.standings:
        left.plot([one.total] * len(one.values), one.values, "o", color="0.6")
    means = sorted((one.total, one.mean) for one in result.standings)
    left.plot(*zip(*means, strict=True), color="0.6", label="fixed lengths")
    for one in found:
        left.plot(one.length, one.loss, "*", color="tab:orange", markersize=12)
        right.plot(*zip(*one.heard, strict=True), marker=".", label=f"seed {one.seed}")
    left.plot([], [], "*", color="tab:orange", label="EarlyCool")
    left.set(xscale="log", xlabel="length (updates)", ylabel="final loss, half that judges")
    left.set_xticks([length for length, _ in means], [f"{length:,}" for length, _ in means])
    left.minorticks_off()
    right.set(xlabel="update", ylabel="loss, half that is listened to")
    left.legend()
    right.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    """Compare fixed lengths, listen, judge, draw."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    lengths = (150, 300, 600, 1200, 2400)
    options.add_argument("--lengths", type=int, nargs="+", default=lengths, help="fixed lengths")
    options.add_argument("--every", type=int, default=50, help="updates between evaluations")
    options.add_argument("--patience", type=int, default=3, help="bad evaluations tolerated")
    options.add_argument("--seeds", type=int, default=3)
    held_out = sentiment.HELD_OUT
    options.add_argument("--judges", type=int, default=held_out, help="reviews held out")
    options.add_argument("--out", type=Path, default=Path("results"), help="where the figure goes")
    chosen = options.parse_args()

    task = asked(chosen.judges)
    candidates = {f"{length:,} updates": fixed(length) for length in chosen.lengths}
    result = compare(task, candidates, peaks=[PEAK], seeds=chosen.seeds, metric="loss")
    print(result.table())
    early = rw.EarlyCool("heard", patience=chosen.patience, decay="25%")
    longest = max(chosen.lengths)
    found = [
        listen(task, rw.Warmup(WARMUP) >> early, longest, chosen.every, seed)
        for seed in range(chosen.seeds)
    ]
    for one in found:
        print(f"seed {one.seed}: loss {one.loss:.4f} after {one.length:,} updates")
    print(f"\n{judge(result, found)}")
    chosen.out.mkdir(parents=True, exist_ok=True)
    draw(result, found, chosen.out / "early_cool.png")
    data = {"fixed": result.to_dict(), "found": [vars(one) for one in found]}
    (chosen.out / "early_cool.json").write_text(json.dumps(data) + "\n")
    print(f"figure: {chosen.out / 'early_cool.png'}")


if __name__ == "__main__":
    main()
