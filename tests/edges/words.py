"""Names of other libraries, and arguments that are none of ours."""

from __future__ import annotations

from collections.abc import Callable

import torch

import ratewise as rw
from ratewise.torch import Scheduler
from tests.cli.typed import error_of, run
from tests.edges.rows import edge, refused

NAMES, CALLS = "names that people know", "arguments that are not ours"


def answered(text: str, ours: str) -> Callable[[], str]:
    """Return a row of a text that is answered with what to write, its values included."""

    def tried() -> str:
        told = error_of("show", text, "--total", "200")
        assert f"write {ours}" in told, told
        assert run("show", ours, "--total", "200").exit_code == 0
        return f"refused: {told}"

    return tried


for said, ours in {
    "cosine": "Cosine(to=0)",
    "linear": "Linear(to=0)",
    "CosineAnnealingLR(T_max=100)": "Cosine(to=0, over=100)",
    "OneCycleLR(max_lr=0.1, total_steps=200, pct_start=0.2)": "OneCycle(0.2)",
    "get_cosine_schedule_with_warmup(num_warmup_steps=50)": "Warmup(50) >> Cosine(to=0)",
    "cosine, warmup_steps=50": "Warmup(50) >> Cosine(to=0)",
    "warmup_ratio=0.1": 'Warmup("10%") >> Linear(to=0)',
}.items():
    edge(NAMES, f"`ratewise show '{said}'`")(answered(said, ours))


@edge(NAMES, '`parse("cosine")`, inside a text')
def inside() -> str:
    return refused(lambda: rw.parse("Warmup(5) >> cosine"), "Cosine")


@edge(NAMES, "`Warmup(5%)`, a share without quotes")
def unquoted() -> str:
    return refused(lambda: rw.parse("Warmup(5%) >> Cosine()"), "'5%'")


def called(act: Callable[[], object], *parts: str) -> Callable[[], str]:
    """Return a row of a call with an argument that is not ours."""
    return lambda: refused(act, *parts)


def optimizer() -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)


edge(CALLS, "`Cosine(eta_min=1e-5)`")(called(lambda: rw.Cosine(eta_min=1e-5), "eta_min", "to="))  # pyright: ignore[reportCallIssue]
edge(CALLS, "`WSD(warmup_steps=5)`")(called(lambda: rw.WSD(warmup_steps=5), "warmup"))  # pyright: ignore[reportCallIssue]
edge(CALLS, "`Scheduler(optimizer, schedule, T_max=100)`")(
    called(lambda: Scheduler(optimizer(), rw.Cosine(), T_max=100), "T_max", "total=")
)
