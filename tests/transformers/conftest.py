"""Without Transformers there is nothing to test here; with it, one thread is enough."""

import pytest

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

import torch


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
