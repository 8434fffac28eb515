"""Schedules in PyTorch: the optimizer itself is the clock.

    scheduler = Scheduler(optimizer, Warmup("5%") >> Cosine(to=0.1), total=10_000)

That is all: there is nothing to call in the loop. Gradient accumulation, updates that a gradient
scaler skips, several processes and a framework that calls `scheduler.step()` when it likes all
give the same rates, since only committed updates count.
"""

from __future__ import annotations

from ratewise._extras import require

require("torch", extra="torch")

from ratewise.adapters.torch.adaptive import follow_modes  # noqa: E402
from ratewise.adapters.torch.effective import effective_rate  # noqa: E402
from ratewise.adapters.torch.effective_logger import EffectiveRateLogger  # noqa: E402
from ratewise.adapters.torch.scheduler import Scheduler  # noqa: E402
from ratewise.adapters.torch.several import Schedulers  # noqa: E402

__all__ = ["EffectiveRateLogger", "Scheduler", "Schedulers", "effective_rate", "follow_modes"]
