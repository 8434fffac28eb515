"""Tasks of users that fail: their metric, their device, their file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.cli.typed import failure_of, run
from tests.edges.rows import edge

FAILS = "what a user's own code does"
TASK = """
import torch
from ratewise.choose import TorchTask

task = TorchTask(
    model=lambda: torch.nn.Linear(1, 1),
    optimizer=lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    data=lambda seed: [torch.ones(1, 1)] * 50,
    loss=lambda model, batch: model(batch).square().mean(),
    metric=lambda model: {metric},
)
{more}
"""


def failing(
    member: str,
    metric: str = "{'loss': 1.0}",
    more: str = "",
    part: str = "",
    *,
    is_shown: bool = True,
) -> None:
    """Put a row of a task that fails into the table; not every machine says the same of it."""

    def tried() -> str:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "mine.py"
            path.write_text(TASK.format(metric=metric, more=more), encoding="utf-8")
            done = run("choose", f"{path}:task", "--total", "6", "--budget", "30")
        assert done.exit_code in (1, 2, 4)
        line = failure_of(done.stderr, "mine.py")
        assert part in line, line
        told = line.replace(folder, "…") if is_shown else "error: … mend …/mine.py, line 12 …"
        return f"exit {done.exit_code}: {told}"

    edge(FAILS, member)(tried)


failing("a metric that is NaN", "{'loss': float('nan')}", part="nan")
failing("a metric that is a text", "{'loss': 'good'}", part="loss")
failing("a metric that raises", "1 / 0", part="ZeroDivisionError")
failing(
    "a device that is not there", more="torch.ones(1).to('cuda:99')", part="line 12", is_shown=False
)
failing("a syntax error in the task's file", more="def (", part="mine.py")
