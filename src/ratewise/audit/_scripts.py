"""The arguments that a training script gives to a Trainer, where it writes them out."""

from __future__ import annotations

import ast
import re
import warnings
from pathlib import Path
from typing import Any

from ratewise.convert.sources.limits import LARGEST_TEXT

_TAKES_THEM = re.compile(
    r"(Seq2Seq|SentenceTransformer|Reward|Sparse\w*|CrossEncoder)?TrainingArguments"
    r"|(SFT|DPO|GRPO|KTO|ORPO|CPO|PPO|RLOO|Reward|GKD|PRM|BCO|XPO)Config"
)
"""Classes that take a Trainer's arguments."""
_OWN = ("learning_rate", "lr_scheduler", "warmup", "max_steps", "num_train_epochs",
        "per_device_train_batch_size", "gradient_accumulation_steps")  # fmt: skip
"""How the arguments begin that say something of the schedule."""


def arguments_in(path: Path) -> tuple[dict[str, Any], str] | None:
    """Return the arguments of the one Trainer of a script, and a note; None if there is none.

    Nothing is run: a value that is not written out there is left out, and the note says so.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > LARGEST_TEXT:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [node for node in ast.walk(tree)
             if isinstance(node, ast.Call) and _TAKES_THEM.fullmatch(_name(node))]  # fmt: skip
    if len(calls) != 1:
        return None
    found: dict[str, Any] = {}
    unknown: list[str] = []
    for keyword in calls[0].keywords:
        if keyword.arg is None:
            unknown.append("**…")
        elif keyword.arg.startswith(_OWN):
            try:
                found[keyword.arg] = ast.literal_eval(keyword.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                unknown.append(keyword.arg)
    note = f"Read from the call of {_name(calls[0])} in line {calls[0].lineno}; nothing was run."
    if unknown:
        note += f" Not written out there, so not known: {', '.join(unknown)}."
    found.setdefault("lr_scheduler_type", "linear")
    found.setdefault("learning_rate", 5e-5)
    return found, note


def _name(call: ast.Call) -> str:
    node = call.func
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
