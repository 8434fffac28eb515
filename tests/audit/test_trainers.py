"""Logs that real trainers wrote, one right run and one mistake of each."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from tests.audit import trainers
from tests.audit.cases import held, is_right, named

WRONG = {
    "transformers": "steps_per_update",
    "lightning": "per_epoch",
    "keras": "per_epoch",
    "accelerate": "each_batch",
}


@pytest.mark.parametrize("framework", WRONG)
def test_the_log_of_a_trainer_tells_what_was_done(framework: str, tmp_path: Path) -> None:
    """A right run agrees, to the digit; the mistake that its users make most is named."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    if framework == "keras":
        os.environ.setdefault("KERAS_BACKEND", "torch")
    torch.set_num_threads(1)
    right = trainers.run(framework, "", 1, tmp_path / "right")
    found = held(right)
    assert found.agrees is True, str(found)
    wrong = trainers.run(framework, WRONG[framework], 1, tmp_path / "wrong")
    found = held(wrong)
    assert is_right(wrong, found), (named(found), str(found))
