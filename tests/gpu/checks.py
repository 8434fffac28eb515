"""What a card has to show, and what becomes of it: the rows of docs/gpu.md.

Each row is a test of this folder; `make test-gpu` runs them on the card that is there and writes
down what it was.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LEDGER = Path(__file__).resolve().parents[2] / "docs" / "gpu.json"
"""The last run of each row on each card: {card: {"torch": …, "cuda": …, "rows": {row: …}}}."""

CHECKS = {
    "whole_step": "a graph of forward, backward and step, 1,000 replays",
    "optimizer_alone": "a graph of the step alone, 1,000 replays with overflows among them",
    "nothing_waits": '100 updates under `set_sync_debug_mode("error")`, `scheduler.step()` too',
    "scaler": "a fused step under `GradScaler`, its overflows not read",
    "graphed_callables": "`make_graphed_callables`, the step outside",
    "compiled": '`torch.compile(mode="reduce-overhead")`, one set of graphs',
    "resume": "states loaded before a capture, and behind it",
    "by_hand": "a rate filled between replays is told when the count is read",
    "by_default": "a rate that is a tensor on the card has its clock there without being asked to",
    "moved": "parameters that are moved to the card are followed",
    "float_refused": "a captured step with a float rate is refused, with what to write",
    "open_refused": "a captured step of a run without an end is refused, with what to write",
    "transformers": "the Trainer of Transformers in fp16, fused",
    "lightning": "the Trainer of Lightning in 16-mixed, fused",
}

NOT_YET = "no card has run this yet"


def ledger() -> dict[str, Any]:
    """Return what was run on which card."""
    return json.loads(LEDGER.read_text(encoding="utf-8")) if LEDGER.exists() else {}


def markdown() -> str:
    """Return the table of what was run; what no card has run is marked so."""
    runs = ledger()
    lines = ["| what | on which card |", "|---|---|"]
    for row, what in CHECKS.items():
        told = [_told(card, run, row) for card, run in sorted(runs.items()) if row in run["rows"]]
        lines.append(f"| {what} | {'; '.join(told) or NOT_YET} |")
    return "\n".join(lines) + "\n"


def _told(card: str, run: dict[str, Any], row: str) -> str:
    return f"{card}, PyTorch {run['torch']}, CUDA {run['cuda']}: {run['rows'][row]}"
