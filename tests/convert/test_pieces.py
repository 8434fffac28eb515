"""The pieces from which readers of configs are put together."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.formats import FormatMark, Marks
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, looks_scheduled
from ratewise.convert.pieces.moves import DECAYS, WARMUPS, decay, fall, lay, rise, stay

FORMULAS = {
    "t/W": lambda t, w: t / w,
    "(t+1)/W": lambda t, w: (t + 1) / w,
    "(t+1)/(W+1)": lambda t, w: (t + 1) / (w + 1),
}


@pytest.mark.parametrize("counted", WARMUPS)
@pytest.mark.parametrize("warmup", [0, 1, 2, 7])
def test_a_warmup_is_counted_as_its_name_says(counted: str, warmup: int) -> None:
    """The name of a convention is its formula, and a warm-up of nothing is absent."""
    levels = lay(10, rise(warmup, counted=counted), stay(1.0)).resolve(10).values()
    expected = [FORMULAS[counted](t, warmup) if t < warmup else 1.0 for t in range(10)]
    np.testing.assert_allclose(levels, expected, rtol=1e-15)


@pytest.mark.parametrize("name", DECAYS)
def test_a_decay_goes_from_one_level_to_the_other(name: str) -> None:
    """Every decay starts at its start, falls, and is held where it ends."""
    shape = {"power": 2.0} if name == "polynomial" else {}
    levels = lay(None, fall(decay(name, 0.1, **shape), 20), stay(0.1)).resolve().values(30)
    assert levels[0] == 1.0
    assert (np.diff(levels) <= 0).all()
    assert (levels[20:] == 0.1).all()


def test_pieces_are_cut_where_the_run_ends() -> None:
    """A cut piece keeps the shape of its full length."""
    pieces = (rise(4), fall(decay("linear", 0.0), 10), stay(0.0))
    whole = lay(None, *pieces).resolve().values(20)
    for total in range(1, 20):
        assert np.array_equal(lay(total, *pieces).resolve(total).values(), whole[:total])


@pytest.mark.parametrize(
    ("key", "speaks"),
    [
        ("lr_warmup_steps", True),
        ("cooldown_epochs", True),
        ("min_lr", True),
        ("milestones", True),
        ("gamma", True),
        ("weight_decay", False),
        ("simpo_gamma", False),
        ("ema_decay", False),
        ("learning_rate", False),
        ("noise_scheduler", False),
    ],
)
def test_keys_that_speak_of_a_schedule(key: str, speaks: bool) -> None:
    """Only those are refused where nobody reads them."""
    assert looks_scheduled(key) is speaks
    keys = Keys("some config", {key: 1})
    if not speaks:
        assert keys.among("lr_scheduler") is keys
        return
    with pytest.raises(rw.ScheduleError, match=f"some config has the key {key}"):
        keys.among("lr_scheduler")


def test_marks_are_weighed() -> None:
    """Keys, paths, values, beginnings and flags count; what speaks against a format does too."""
    marks = Marks(
        FormatMark("optim.lr", 2),
        FormatMark("name", 1, ("cosine", "linear")),
        FormatMark("--lr-*", 3),
        FormatMark("other", -9),
    )
    assert marks({"optim": {"lr": 1}, "name": "cosine"}).seen == ("optim.lr", "name")
    assert marks({"optim": {"lr": 1}, "name": "cosine"})
    assert not marks({"optim": {"lr": 1}, "name": "step"})
    assert not marks({"optim": {"lr": 1}, "name": "cosine", "other": 1})
    assert marks("train.py --lr-warmup 5")
    assert not marks("train.py --lr_warmup 5")
    assert flags("", "train.py --lr-warmup=5 --fast") == {"lr_warmup": "5", "fast": True}
