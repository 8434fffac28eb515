"""Plateau works, is logged and resumes in every framework, on what it really measured."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule import ScheduleError
from tests.guarantees.drivers import FRAMEWORKS
from tests.guarantees.setup import LR, UPDATES
from tests.guarantees.test_runs import (  # noqa: F401
    _there,
    plateau,
    quietly,
    same,
    train,
    whole,
)

every = pytest.mark.parametrize("name", FRAMEWORKS)


def simulated(plan, heard, total=20):
    """The rates by pure simulation on what the run in fact measured."""
    metric = "eval_loss" if "eval_loss" in str(plan) else "val_loss"
    done = plan.resolve(total).simulate([(t, {metric: value}) for t, value in heard])
    return [LR * level for level in done.values(total).tolist()]


@quietly
@every
def test_a_plateau_is_followed_and_replayed(name, tmp_path):
    """Behind a warm-up, the rates are the machine's on the losses of the run; the log has them;
    the open-loop plan of the run gives them again."""
    ran = train(name, plateau(name), tmp_path / "first", listen=True)
    assert [t for t, _ in ran.heard] == [UPDATES * i for i in range(1, 6)]
    same(ran.used, simulated(plateau(name), ran.heard))
    assert ran.used[-1] <= LR / 2
    shown = ran.logged if len(ran.logged) == len(ran.used) else None
    if shown:
        same(shown, ran.used)
    else:
        same(ran.logged, ran.used[UPDATES - 1 :: UPDATES])
    replayed = ran.replay.lr
    assert not replayed.listens
    same(train(name, replayed, tmp_path / "again").used, ran.used)


@quietly
@every
@pytest.mark.parametrize("stop", [1, 2, 3, 4])
def test_a_plateau_resumes_in_the_middle_of_its_patience(name, stop, tmp_path, whole):  # noqa: F811
    """Stopped after any evaluation and resumed from the framework's own checkpoint, rates and
    losses are those of the whole run."""
    metric = "eval_loss" if name == "transformers" else "val_loss"
    plan = rw.Warmup(3) >> rw.Plateau(metric, patience=1, factor=0.3, threshold=0.5)
    lived = whole(name, plan, listen=True)
    first = train(name, plan, tmp_path / "run", listen=True, stop=stop)
    rest = train(name, plan, tmp_path / "run", listen=True, resume=True)
    assert first.used + rest.used == lived.used
    assert len(set(lived.used)) > 4
    losses = dict(first.heard) | dict(rest.heard)
    np.testing.assert_allclose([losses[t] for t, _ in lived.heard], [v for _, v in lived.heard])


@quietly
@every
def test_a_misspelt_metric_is_refused(name, tmp_path):
    """A metric that no evaluation measures is refused soon, and what was measured is named."""
    seen = []
    plan = rw.Warmup(3) >> rw.Plateau("val_los")
    with pytest.raises(ScheduleError, match=r"val_los.*(val_loss|eval_loss)"):
        train(name, plan, tmp_path, listen=True, after=lambda *update: seen.append(update))
    assert len(seen) <= 2 * UPDATES


@quietly
@every
def test_a_plateau_multiplies_a_cosine(name, tmp_path):
    """As a factor of an open-loop schedule it is followed too."""
    plan = rw.Cosine(to=0) * plateau(name)
    ran = train(name, plan, tmp_path, listen=True)
    same(ran.used, simulated(plan, ran.heard))
