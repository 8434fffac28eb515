"""Names that people know reach the adapters of trainers, with their warm-up, also in copies."""

from __future__ import annotations

from typing import Any

import pytest

import ratewise as rw
from ratewise.adapters.torch.trainers import RunSettings
from ratewise.schedule import ScheduleError
from tests.trainers.tiny import LR, Recorder, line, loader, rows, used

NAMED = rw.Warmup(3) >> rw.Cosine(to=0)


def expected(total: int) -> list[float]:
    return [LR * level for level in NAMED.resolve(total=total).values().tolist()]


@pytest.mark.parametrize(
    ("schedule", "given", "meant"),
    [
        ("cosine", {"warmup": 3}, NAMED),
        ("linear", {"warmup": "3%"}, rw.Warmup("3%") >> rw.Linear(to=0)),
        ("cosine", {}, rw.Cosine(to=0)),
        ("polynomial", {"power": 2, "to": 0.1}, rw.Polynomial(to=0.1, power=2)),
        ("Warmup(3) >> Cosine(to=0)", {}, NAMED),
    ],
)
def test_a_name_is_read_as_in_the_other_faces(
    schedule: str, given: dict[str, Any], meant: rw.Schedule
) -> None:
    """One table; what is no part of a name is still a slip."""
    assert RunSettings.read("attach", schedule, given, example="…").schedule == meant
    with pytest.raises(ScheduleError, match="is not an argument"):
        RunSettings.read("attach", schedule, {**given, "warnup": 3}, example="…")


def test_a_warm_up_beside_a_schedule_is_refused() -> None:
    """The schedule says it."""
    with pytest.raises(ScheduleError, match=r"write Warmup\(3\) >> Cosine"):
        RunSettings.read("attach", rw.Cosine(to=0), {"warmup": 3}, example="…")


def test_ignite_follows_a_name() -> None:
    """Each update has its rate."""
    engine = pytest.importorskip("ignite.engine")
    from ratewise.ignite import attach

    model = line()
    optimizer = Recorder(model.parameters(), lr=LR)
    loss = pytest.importorskip("torch").nn.functional.mse_loss
    trainer = engine.create_supervised_trainer(model, optimizer, loss)
    attach(trainer, optimizer, "cosine", warmup=3)
    trainer.run(loader(12), max_epochs=1)
    assert used(optimizer) == expected(12)


@pytest.mark.parametrize("copies", [False, True])
def test_skorch_follows_a_name_and_so_do_its_copies(copies: bool) -> None:
    """scikit-learn makes an estimator anew from its arguments: the warm-up is among them."""
    skorch = pytest.importorskip("skorch")
    from sklearn.base import clone

    from ratewise.skorch import SkorchCallback

    callback = SkorchCallback("cosine", warmup=3)
    net = skorch.NeuralNetRegressor(
        line(), optimizer=Recorder, lr=LR, batch_size=1, max_epochs=1, verbose=0,
        iterator_train__shuffle=False, train_split=None,
        callbacks=[clone(callback) if copies else callback],
    )  # fmt: skip
    net = clone(net) if copies else net
    net.fit(*rows(12).tensors)
    assert used(net.optimizer_) == expected(12)
