"""Every warning is an error; what is still open from tests before, in this process, is theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("keras")

HERE = Path(__file__).parent
NOISE = "ignore:__array__ implementation:DeprecationWarning"  # of Keras itself under numpy 2
COMPILER = "ignore:.torch.jit.script:DeprecationWarning"  # of PyTorch as it imports its compiler
OTHERS = ("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    alone = "RATEWISE_ONE_BACKEND" in os.environ  # these files come first there
    strict = pytest.mark.filterwarnings("error", NOISE, COMPILER, *(() if alone else OTHERS))
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(strict, append=False)  # what a test says of its own counts
