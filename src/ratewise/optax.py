"""Schedules in JAX: what Optax calls a schedule, and plans for whole optimizers.

    tx = optax.adamw(schedule(Warmup("5%") >> Cosine(to=0.1), lr=3e-4, total=10_000))
    tx = inject(plan, optax.adamw, total=10_000)
    tx = listen(Warmup(500) >> Plateau(), optax.adamw, learning_rate=3e-4, total=10_000)

In all of them the clock is Optax's own count of committed updates, so micro-batches of
`MultiSteps` and updates that `apply_if_finite` skips do not advance it.
"""

from __future__ import annotations

from ratewise._extras import require

require("jax", extra="jax")
require("optax", extra="jax")

from ratewise.adapters.optax.current_rate import current_rate  # noqa: E402
from ratewise.adapters.optax.feedback import (  # noqa: E402
    ListenState,
    finished,
    listen,
    observe,
    replay,
)
from ratewise.adapters.optax.inject import PlanState, inject  # noqa: E402
from ratewise.adapters.optax.rate import Rate, schedule  # noqa: E402

__all__ = [
    "ListenState",
    "PlanState",
    "Rate",
    "current_rate",
    "finished",
    "inject",
    "listen",
    "observe",
    "replay",
    "schedule",
]
