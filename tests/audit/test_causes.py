"""Runs that were really trained, right and wrong: the cause is named, and nobody is accused."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("tensorboardX")

import torch

from tests.audit import mistakes
from tests.audit.cases import held, is_right, named

EACH = 1
"""Cases of every mistake; the benchmark has hundreds."""
RIGHT = 12


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize("script", mistakes.MISTAKES, ids=lambda one: one.__name__)
def test_a_mistake_is_named_first(script: mistakes.Script, tmp_path: Path) -> None:
    """Of a run with a mistake in its script, that mistake is the first cause, with its advice."""
    for seed in range(EACH):
        case = mistakes.make(script, seed, tmp_path / str(seed))
        found = held(case)
        assert is_right(case, found), (seed, case.kinds, named(found), str(found))
        assert found.first is not None
        assert found.causes[0].fix


def test_a_right_run_is_not_accused(tmp_path: Path) -> None:
    """Rounded, sparse, resumed, skipped, in either convention: no right run departs."""
    for seed in range(RIGHT):
        case = mistakes.make(mistakes.right, seed, tmp_path / str(seed))
        found = held(case)
        assert is_right(case, found), (seed, case.plan, case.given, str(found))
