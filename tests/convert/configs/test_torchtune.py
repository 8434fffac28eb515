"""torchtune configs give its cosine, which is that of Transformers and rises past its end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.torchtune import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import Cosine, ScheduleError, Warmup
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, lengths, many, rates, read, warmups

NAME = "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup"


def config(lr: float = 2e-5, **keys: Any) -> dict[str, Any]:
    optimizer = {"_component_": "torch.optim.AdamW", "lr": lr}
    return {"lr_scheduler": {"_component_": NAME, **keys}, "optimizer": optimizer, "epochs": 1}


@many
@given(lengths, lengths, warmups, st.sampled_from([0.5, 1.0, 0.75]) | st.floats(0.1, 3), rates)
def test_cosine(n: int, total: int, warmup: int, cycles: float, lr: float) -> None:
    """The plan is the formula at every update, past the planned end as well.

    There the angle grows to thousands, of which a unit in the last place is 4.5e-13.
    """
    keys = {"num_warmup_steps": warmup, "num_cycles": cycles}
    expected = formulas.cosine(n, total, warmup, cycles)
    plan = read(FORMATS, config(lr, num_training_steps=total, **keys), n)
    agree(plan, [lr * x for x in expected], slack=1e-12)
    expected = formulas.cosine(n, n, warmup, cycles)
    agree(read(FORMATS, config(lr, **keys), n), [lr * x for x in expected], slack=1e-13)


def test_the_plan_is_short() -> None:
    """The usual config reads as a warm-up and a cosine over whatever is left."""
    plan = read(FORMATS, config(num_warmup_steps=100))
    assert plan.lr == Warmup(100, start=0) >> Cosine(to=0, start=1)
    assert plan.notes == ("Update 0 runs at rate 0 and changes nothing.",)


def test_rising_again_is_noted() -> None:
    """A run longer than the cosine gets a note that says where it turns."""
    plan = read(FORMATS, config(num_warmup_steps=0, num_training_steps=50), 60)
    assert plan.notes == ("The cosine ends at update 50; behind it the rate moves on, up again.",)
    assert plan.rates(60)[59] > plan.rates(60)[50]


def test_without_a_component_it_is_nobodys_schedule() -> None:
    """A scheduler that names none is refused, by its own reader; none at all leaves the rate."""
    bare = {**config(), "lr_scheduler": {"num_warmup_steps": 10}}
    assert guess(bare).name == "torchtune"
    with pytest.raises(ScheduleError, match="has no _component_"):
        read_any(bare, total=10)
    del bare["lr_scheduler"]
    assert list(read_any(bare).rates(3)) == [2e-5] * 3


def test_epochs_are_cut() -> None:
    """Its own limit of an epoch counts more than what was told of the data."""
    source = {**config(num_warmup_steps=5), "epochs": 2, "max_steps_per_epoch": 20}
    assert read_source(source, epoch=20).total == 40
    with pytest.raises(ScheduleError, match="give epoch=20"):
        read_any(source, epoch=30)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (config(num_warmup_step=1), "did you mean num_warmup_steps"),
        (config(), "has no num_warmup_steps"),
        ({"lr_scheduler": {"_component_": "x.lr_schedulers.other"}}, "only get_cosine_schedule"),
    ],
)
def test_what_is_wrong_is_named(source: dict[str, Any], message: str) -> None:
    """A component or key that cannot be read is refused by name."""
    with pytest.raises(ScheduleError, match=message):
        read(FORMATS, source, 10)
