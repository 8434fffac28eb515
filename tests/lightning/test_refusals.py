"""What cannot be attached under Lightning, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import lightning
import pytest
import torch

import ratewise as rw
from ratewise.lightning import attach
from tests.lightning import tiny

PLAN = rw.Warmup("25%") >> rw.Cosine(to=0.1)


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"intervall": "step"}, "is not an argument"),
        ({"interval": "epoch"}, "the optimizer's updates are the clock"),
        ({"monitor": "val_loss"}, "Plateau"),
        ({"totl": 9}, "did you mean total"),
        ({"resume": "chekpoint"}, "checkpoint"),
        ({"total": 9, "name": ["a", "b"]}, "has 2 for 1 optimizers"),
        ({"module": torch.nn.Linear(1, 1)}, "module=self"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_unknown_settings_are_refused(options: Any, advice: str) -> None:
    """What Lightning takes in silence gets an answer here."""
    with pytest.raises(rw.ScheduleError, match=advice):
        attach(tiny.Module().configure_optimizers(), PLAN, **options)


def test_what_is_no_optimizer_is_refused() -> None:
    """A tensor, a text, a list of something else, a schedule that is none."""
    optimizer = tiny.Module().configure_optimizers()
    for target in (torch.ones(1), "SGD", [torch.ones(1)]):
        with pytest.raises(rw.ScheduleError, match="needs an optimizer"):
            attach(target, PLAN, total=9)
    with pytest.raises(rw.ScheduleError, match="needs a schedule"):
        attach(optimizer, 3, total=9)
    with pytest.raises(rw.ScheduleError, match="has 2 for 1 optimizers"):
        attach([optimizer], [PLAN, PLAN], total=9)


def test_a_second_schedule_is_refused() -> None:
    """One module, one attachment; one optimizer, one schedule."""
    module = attach(tiny.Module(), PLAN)
    with pytest.raises(rw.ScheduleError, match="attach once"):
        attach(module, PLAN)
    made = tiny.Module().configure_optimizers()
    attach(made, PLAN, total=9)
    with pytest.raises(rw.ScheduleError, match="found a schedule"):
        attach(made, PLAN, total=9)


def test_after_the_start_it_is_too_late() -> None:
    """A module that is being fitted is refused."""

    class Late(tiny.Module):
        def training_step(self, batch: Any, index: int) -> Any:
            attach(self, PLAN)

    with pytest.raises(rw.ScheduleError, match="came after training had started"):
        tiny.fit(Late(), 6, max_epochs=1)


def test_a_scheduler_of_its_own_is_refused() -> None:
    """A module that returns one beside its optimizer is not given a second."""

    class Own(tiny.Module):
        def configure_optimizers(self) -> Any:
            made = super().configure_optimizers()
            return {"optimizer": made, "lr_scheduler": torch.optim.lr_scheduler.ConstantLR(made)}

    with pytest.raises(rw.ScheduleError, match="return the optimizers alone"):
        tiny.fit(attach(Own(), PLAN), 6, max_epochs=1)


def test_a_callback_that_takes_over_the_rate_is_found() -> None:
    """Weight averaging brings a scheduler of its own, and is refused when it does."""
    averaging = lightning.pytorch.callbacks.StochasticWeightAveraging(1e-2, 2)
    module = attach(tiny.Module(), PLAN)
    with pytest.raises(rw.ScheduleError, match=r"found a SWALR.* >> Hold\(\), and average"):
        tiny.fit(module, 6, max_epochs=3, callbacks=[averaging])
    assert tiny.used(module.made) == tiny.rates(PLAN, 18)[:6]


def test_a_rate_finder_is_refused_and_not_misled(tmp_path: Any) -> None:
    """Lightning's finder sets rates that would not be used: it is told so at its first one."""
    from lightning.pytorch.tuner import Tuner

    module = tiny.Module()
    module.lr = tiny.LR
    trainer = tiny.trainer(max_epochs=2, default_root_dir=tmp_path)
    with pytest.raises(rw.ScheduleError, match=r"found a _ExponentialLR.*search for a rate while"):
        Tuner(trainer).lr_find(attach(module, PLAN), tiny.data(50), num_training=10)


def test_correct_use_warns_of_nothing() -> None:
    """Neither we nor PyTorch or Lightning about us say anything, through a whole run."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = attach(tiny.Module(), rw.Warmup(2) >> rw.Plateau("val_loss"))
        tiny.fit(module, 6, max_epochs=2, validation=1)
    words = ("scheduler", "learning rate", "callback")
    about = [w for w in caught if any(word in str(w.message) for word in words)]
    ours = [w for w in caught if "ratewise" in w.filename or w in about]
    assert ours == []


def test_a_missing_extra_is_named() -> None:
    """Without Lightning the import says which command installs it."""
    script = (
        "import sys; sys.modules['lightning'] = None\n"
        "try: import ratewise.lightning\n"
        "except ImportError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pip install 'ratewise[lightning]'" in run.stdout, run.stderr
