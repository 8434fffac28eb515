"""Keras: the weights and the optimizer's state alone resume exactly, at every update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

keras = pytest.importorskip("keras")

from ratewise.keras import Callback, LearningRate  # noqa: E402
from tests.keras.tools import PLAN, Moves, assert_close, fit, model, rates  # noqa: E402
from tests.trainers.ledger import held  # noqa: E402

LR, UPDATES = 0.01, 6


class Saves(keras.callbacks.Callback):
    """Writes the weights, which hold the optimizer's, behind every update."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.made = folder, 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.made += 1
        self.model.save_weights(self.folder / f"{self.made}.weights.h5")


class Loads(keras.callbacks.Callback):
    """Reads them where the training begins."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.load_weights(self.path)


def ran(face: str, *others: Any, path: Path | None = None) -> list[float]:
    """Return how far each update of a run moved the weight; `path` is read before it begins.

    Keras has an optimizer with a schedule inside, or with a number: neither reads the other's file.
    """
    moves, inside = Moves(), LearningRate(PLAN, LR, total=UPDATES)
    rate: Any = LR if face == "callback" else inside
    made = model(keras.optimizers.SGD(rate), run_eagerly=True, jit=False)
    made.optimizer.build(made.trainable_variables)
    if path is not None:
        made.load_weights(path)
    ours = [Callback(PLAN, lr=LR, total=UPDATES)] if face == "callback" else []
    fit(made, UPDATES, moves, *ours, *others)
    return moves.moved


@held(
    "Keras",
    "optimizer alone, loaded first",
    "the optimizer's own count of updates, `iterations`, is the clock",
)
@held(
    "Keras",
    "optimizer alone, loaded behind",
    "the optimizer's own count of updates, `iterations`, is the clock",
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("face", ["callback", "rate"])
def test_the_optimizer_alone_resumes_at_every_update(face: str, tmp_path: Path) -> None:
    """Loaded into a model before our callback is there, or by a callback behind it."""
    wanted = rates(PLAN, UPDATES, LR)
    assert_close(ran(face, Saves(tmp_path)), wanted)
    for at in range(1, UPDATES):
        path = tmp_path / f"{at}.weights.h5"
        first = ran(face, path=path)[: UPDATES - at]
        assert_close(first, wanted[at:])
        behind = ran(face, Loads(path))[: UPDATES - at]
        assert_close(behind, wanted[at:])
