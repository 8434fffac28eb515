"""Without Lightning there is nothing to test here; with it, one thread and few words."""

import logging

import pytest

pytest.importorskip("lightning")

import torch

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
