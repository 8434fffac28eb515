"""What a choice hands over to trainers: the rates of every group, as they were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise import Cosine, Plan, Warmup
from ratewise.choose.handover import TaskOptimizer

torch = pytest.importorskip("torch")

SCHEDULE, PEAK, TOTAL = Warmup(2) >> Cosine(to=0.1), 0.002, 6
RATES = PEAK * SCHEDULE.resolve(TOTAL).values()


def in_two(net: Any) -> Any:
    """Return an optimizer whose second group has a quarter of the rate, and a name."""
    first, *rest = net.parameters()
    groups = [{"params": rest, "name": "rest"}, {"params": [first], "lr": 0.002, "name": "first"}]
    return torch.optim.RMSprop(groups, lr=0.0005)


def test_a_trainer_that_follows_the_plan_has_the_rates_that_were_measured(tmp_path: Path) -> None:
    """Its own optimizer has two groups, at 10:1; the plan is attached as the report says."""
    pytest.importorskip("transformers")
    from ratewise.tasks.transformers.task import TrainerTask
    from ratewise.transformers import attach
    from tests.transformers.tiny import make, model, rows

    def made(seed: int) -> Any:
        options: dict[str, Any] = {"eval_dataset": rows(4), "max_steps": TOTAL}
        return make(tmp_path, model=model(seed=seed), seed=seed, **options)

    task = TrainerTask(made)
    run: Any = task.open(0)
    run.train(RATES)
    optimizer = TaskOptimizer.of(task)
    assert (optimizer.name, optimizer.framework) == ("Recorder", "transformers")
    trainer = made(0)
    attach(trainer, optimizer.plan(SCHEDULE, PEAK), total=TOTAL)
    trainer.train()
    used = trainer.optimizer.optimizer.used
    np.testing.assert_allclose(used, run.optimizer.used, rtol=1e-15, atol=0)
    assert np.ptp(used, axis=1).min() > 0


def test_a_module_hands_over_its_groups() -> None:
    """The optimizer may be its own, or that of the task."""
    pytest.importorskip("lightning")
    from tests.tasks.modules import task_of

    assert TaskOptimizer.of(task_of()).framework == "lightning"
    plan = TaskOptimizer.of(task_of(optimizer=in_two)).plan(SCHEDULE, PEAK)
    own = Plan(lr=SCHEDULE, peak={"lr": PEAK / 4})
    assert plan == Plan(lr=SCHEDULE, peak={"lr": PEAK}, groups={"rest": own})
    assert "RMSprop" in plan.notes[0]
