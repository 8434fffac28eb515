"""What a schedule adds to an update on a card, beside PyTorch's own and beside none.

    python benchmarks/gpu.py

Two cases: a fused AdamW under `GradScaler`, and 100 groups whose rates are tensors. The contenders
are in one process, take turns, and do the same work; a turn ends when the card is idle. What is
compared are medians over all turns. Without a card it runs on the CPU, which tries the script and
tells nothing of a card: there a tensor costs what a kernel's launch costs, and nothing waits.

* none: the rates stay as they are.
* peer: `CosineAnnealingLR.step()` behind each update.
* host: ratewise, its clock on the host; a fused step under a scaler has it read `found_inf`.
* device: ratewise, its clock on the device.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import torch

import ratewise as rw
from ratewise.torch import Scheduler

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TOTAL = 1_000_000
LR = 3e-4
SEED = 0


def wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def network(width: int, depth: int) -> torch.nn.Module:
    torch.manual_seed(SEED)
    layers = [torch.nn.Linear(width, width) for _ in range(depth)]
    return torch.nn.Sequential(*layers).to(DEVICE)


def scheduled(optimizer: Any, contender: str) -> Callable[[], None]:
    """Give an optimizer its schedule; return what is called behind each update."""
    if contender == "peer":
        peer = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=TOTAL)
        return lambda: peer.step()
    if contender != "none":
        Scheduler(optimizer, rw.Cosine(to=0), total=TOTAL, on_device=contender == "device")
    return lambda: None


def under_scaler(contender: str) -> Callable[[int], None]:
    """A fused AdamW under a gradient scaler, with a small network in front."""
    module = network(256, 4)
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, fused=True)
    behind = scheduled(optimizer, contender)
    scaler = torch.amp.GradScaler(device=DEVICE)
    inputs = torch.ones(64, 256, device=DEVICE)
    kind = torch.float16 if DEVICE == "cuda" else torch.bfloat16

    def run(updates: int) -> None:
        for _ in range(updates):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(DEVICE, dtype=kind):
                loss = module(inputs).float().square().mean()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            behind()

    return run


def hundred_groups(contender: str) -> Callable[[int], None]:
    """100 groups, each with a rate of its own that is a tensor on the device."""
    weights = [torch.nn.Parameter(torch.ones(256, 256, device=DEVICE)) for _ in range(100)]
    rates = [torch.tensor(LR * (1 + i / 100), device=DEVICE) for i in range(100)]
    parts = [{"params": [w], "lr": rate} for w, rate in zip(weights, rates, strict=True)]
    optimizer = torch.optim.AdamW(parts, lr=LR, fused=True)
    for weight in weights:
        weight.grad = torch.full_like(weight, 1e-3)
    behind = scheduled(optimizer, contender)

    def run(updates: int) -> None:
        for _ in range(updates):
            optimizer.step()
            behind()

    return run


def medians(make: Callable[[str], Callable[[int], None]], turns: int, updates: int) -> Any:
    contenders = {name: make(name) for name in ("none", "peer", "host", "device")}
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(updates)
    for turn in range(turns):
        names = [*contenders]
        for name in names[turn % 4 :] + names[: turn % 4]:
            wait()
            begun = time.perf_counter()
            contenders[name](updates)
            wait()
            seconds[name].append((time.perf_counter() - begun) / updates)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=21)
    parser.add_argument("--updates", type=int, default=200 if DEVICE == "cuda" else 20)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if DEVICE == "cuda" else f"CPU, {platform.machine()}"
    print(f"torch {torch.__version__}, {where}, seed {SEED}")
    if DEVICE == "cpu":
        print("No card here: this tries the script, and says nothing of a card.")
    for title, make in (("fused, scaler", under_scaler), ("100 tensor groups", hundred_groups)):
        times = medians(make, given.turns, given.updates)
        text = ", ".join(f"{name} {value * 1e6:,.0f} µs" for name, value in times.items())
        print(f"{title}: {text}")
        for name in ("peer", "host", "device"):
            print(f"       {name} / none {times[name] / times['none']:.3f}x")
        print(f"       device / peer {times['device'] / times['peer']:.3f}x")


if __name__ == "__main__":
    main()
