"""Does Adam still need a schedule?

Trains a small network on noisy pictures of digits with seven optimizers, each at a constant rate,
with a linear decay, and with a decay over the last 30 %: four peaks, several seeds. Then looks at
the rates that the optimizers in fact used. Prints what it measured and draws two figures.

    python examples/adaptive.py [--total N] [--seeds N] [--out DIR]
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import ratewise as rw
from ratewise.choose import Comparison, TorchTask, compare
from ratewise.torch import EffectiveRateLogger, Scheduler, follow_modes

BATCH, HIDDEN, NOISE, HELD_OUT = 16, 48, 0.25, 500

SCHEDULES = {
    "constant": rw.Warmup("5%") >> rw.Hold(),
    "linear": rw.Warmup("5%") >> rw.Linear(to=0),
    "late": rw.Warmup("5%") >> rw.Hold() >> rw.Linear(to=0, over="30%"),
}
SHAPES = ("constant", "linear")


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)


def rmsprop(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(model.parameters(), lr=3e-3)


def adagrad(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(model.parameters(), lr=0.03)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=0.01)


def adafactor(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adafactor(model.parameters(), lr=0.1)


def prodigy(model: nn.Module) -> torch.optim.Optimizer:
    from prodigyopt import Prodigy

    return Prodigy(model.parameters(), lr=1.0, safeguard_warmup=True)


def schedule_free(model: nn.Module) -> torch.optim.Optimizer:
    from schedulefree import AdamWScheduleFree

    return AdamWScheduleFree(model.parameters(), lr=0.03)


OPTIMIZERS = {
    "SGD": (sgd, (0.01, 0.03, 0.1, 0.3)),
    "RMSprop": (rmsprop, (3e-3, 0.01, 0.03, 0.1)),
    "Adagrad": (adagrad, (0.03, 0.1, 0.3, 1.0)),
    "Adam": (adam, (3e-3, 0.01, 0.03, 0.1)),
    "Adafactor": (adafactor, (0.03, 0.1, 0.3, 1.0)),
    "Prodigy": (prodigy, (0.1, 0.3, 1.0, 3.0)),
    "schedule-free": (schedule_free, (0.01, 0.03, 0.1, 0.3)),
}


@functools.cache
def digits() -> tuple[torch.Tensor, ...]:
    """Return pictures and labels to train on, and pictures and labels held out."""
    from sklearn.datasets import load_digits

    pictures, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(pictures, dtype=torch.float32)[order] / 16
    y = torch.tensor(labels)[order]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    return x[HELD_OUT:], y[HELD_OUT:], (x + NOISE * noise)[:HELD_OUT], y[:HELD_OUT]


def data(seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches for ever, with fresh noise on every picture."""
    x, y, *_ = digits()
    generator = torch.Generator().manual_seed(seed)
    while True:
        chosen = torch.randint(len(x), (BATCH,), generator=generator)
        noise = torch.randn((BATCH, x.shape[1]), generator=generator)
        yield x[chosen] + NOISE * noise, y[chosen]


def model() -> nn.Module:
    """Return the network."""
    return nn.Sequential(nn.Linear(64, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))


def loss(net: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Return the cross-entropy of a batch."""
    return nn.functional.cross_entropy(net(batch[0]), batch[1])


def metric(net: nn.Module) -> dict[str, float]:
    """Return loss and accuracy on the pictures held out."""
    *_, x, y = digits()
    logits = net(x)
    return {
        "loss": nn.functional.cross_entropy(logits, y).item(),
        "accuracy": (logits.argmax(1) == y).float().mean().item(),
    }


task = TorchTask(model, adam, data, loss, metric, higher_is_better=("accuracy",))


def compared(total: int, seeds: int) -> Comparison:
    """Train every optimizer under every schedule, at four peaks each."""
    pairs = {
        f"{name}, {shape}": (make, schedule)
        for name, (make, _) in OPTIMIZERS.items()
        for shape, schedule in SCHEDULES.items()
    }
    peaks = {pair: OPTIMIZERS[pair.partition(",")[0]][1] for pair in pairs}
    return compare(task, pairs, total=total, seeds=seeds, peaks=peaks)


def watched(make: Any, schedule: rw.Schedule, total: int, peak: float) -> list[dict[str, Any]]:
    """Train once in a plain loop, and return the rates that were in fact used."""
    torch.manual_seed(0)
    net = model()
    optimizer = make(net)
    for group in optimizer.param_groups:
        group["lr"] = peak
    follow_modes(optimizer, net)
    Scheduler(optimizer, schedule, total=total)
    with EffectiveRateLogger(optimizer, every=max(1, total // 60)) as log:
        for _, batch in zip(range(total), data(0), strict=False):
            optimizer.zero_grad()
            loss(net, batch).backward()
            optimizer.step()
    return log.rows()


def main() -> None:
    """Compare, look, print, draw."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--total", type=int, default=500, help="updates in a run")
    options.add_argument("--seeds", type=int, default=4, help="runs of each at each peak")
    options.add_argument("--out", type=Path, default=Path("results"), help="where figures go")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    runs = len(OPTIMIZERS) * len(SCHEDULES) * 4 * chosen.seeds
    print(f"{runs} runs of {chosen.total} updates …", flush=True)
    result = compared(chosen.total, chosen.seeds)
    print(f"{result}\n\n{gains(result)}\n")
    peaks = {one.name: one.peak for one in result.standings}
    rates = {
        f"{name}, {shape}": watched(
            OPTIMIZERS[name][0], SCHEDULES[shape], chosen.total, peaks[f"{name}, {shape}"]
        )
        for name in OPTIMIZERS
        for shape in SHAPES
    }
    print(table(rates))
    chosen.out.mkdir(parents=True, exist_ok=True)
    (chosen.out / "adaptive.json").write_text(json.dumps(result.to_dict()) + "\n")
    draw_losses(result, chosen.out / "adaptive_losses.png")
    draw_rates(rates, chosen.out / "adaptive_rates.png")
    print(f"figures: {chosen.out / 'adaptive_losses.png'}, {chosen.out / 'adaptive_rates.png'}")


def gains(result: Comparison) -> str:
    """Return what decaying is worth to each optimizer, seed by seed, each at its best peak."""
    lines = ["optimizer      constant   linear     late       linear - constant (± sd), accuracy"]
    for name in OPTIMIZERS:
        runs = {shape: result.best(f"{name}, {shape}") for shape in SCHEDULES}
        finals = {
            shape: torch.tensor([run.metrics["loss"] for run in own]) for shape, own in runs.items()
        }
        change = finals["linear"] - finals["constant"]
        right = [
            sum(run.metrics["accuracy"] for run in runs[shape]) / len(runs[shape])
            for shape in SHAPES
        ]
        means = "  ".join(f"{values.mean():9.4f}" for values in finals.values())
        spread = f"{change.mean():+.4f} ± {change.std():.4f}" if len(change) > 1 else ""
        lines.append(f"{name:13}{means}  {spread:>17}   {right[0]:.1%} -> {right[1]:.1%}")
    return "\n".join(lines)


def table(rates: dict[str, list[dict[str, Any]]]) -> str:
    """Return the median rates at the peak and at the end, and their spread at the end."""
    lines = ["effective rate           at 10 %      at 50 %      at the end   95 % / 5 %"]
    for name, rows in rates.items():
        early, middle, end = (rows[int(share * (len(rows) - 1))] for share in (0.1, 0.5, 1))
        medians = "   ".join(f"{row['50%']:10.3g}" for row in (early, middle, end))
        lines.append(f"{name:22}{medians}   {end['95%'] / end['5%']:8.1f}")
    return "\n".join(lines)


def draw_losses(result: Comparison, file: Path) -> None:
    """Draw the final losses of all seeds, optimizer by optimizer."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    for j, shape in enumerate(SCHEDULES):
        for i, name in enumerate(OPTIMIZERS):
            values = [run.metrics["loss"] for run in result.best(f"{name}, {shape}")]
            where = i + 0.25 * (j - 1)
            label = shape if i == 0 else None
            axes.plot([where] * len(values), values, "o", color=f"C{j}", alpha=0.6, label=label)
            axes.hlines(sum(values) / len(values), where - 0.1, where + 0.1, color=f"C{j}")
    axes.set_xticks(range(len(OPTIMIZERS)), list(OPTIMIZERS))
    axes.set_ylabel("held-out loss at the end")
    axes.legend(title="after the warm-up", frameon=False)
    axes.grid(axis="y", alpha=0.3)
    figure.savefig(file, dpi=110)


def draw_rates(rates: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Draw how the effective rates spread over the weights, over training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    panels = figure.subplots(2, 4, sharex=True).flat
    for axes, name in zip(panels, OPTIMIZERS, strict=False):
        for color, shape in zip(("C0", "C1"), SHAPES, strict=True):
            rows = rates[f"{name}, {shape}"]
            t = [row["update"] for row in rows]
            for low, high, alpha in (("5%", "95%", 0.15), ("25%", "75%", 0.3)):
                ends = [[row[q] for row in rows] for q in (low, high)]
                axes.fill_between(t, *ends, color=color, alpha=alpha, linewidth=0)
            axes.plot(t, [row["50%"] for row in rows], color=color, label=shape)
        later = [row[q] for s in SHAPES for row in rates[f"{name}, {s}"][2:] for q in ("5%", "95%")]
        axes.set(yscale="log", title=name, ylim=(min(later) / 2, max(later) * 2))
        axes.tick_params(labelbottom=True)
        axes.grid(alpha=0.3)
    last = figure.axes[-1]
    last.axis("off")
    lines = figure.axes[0].get_legend_handles_labels()
    spread = "lines: the median weight\nbands: 25–75 %, 5–95 %"
    last.legend(*lines, loc="center", frameon=False, title=spread)
    figure.supxlabel("update")
    figure.supylabel("effective rate")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
