"""An optimizer's groups and the rate they share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.schedule import ScheduleError

torch = require("torch", extra="torch")


class Groups:
    """Sets the rate of an optimizer; its groups keep the ratios that they were made with.

    Args:
        who: What to call the optimizer in an error.
        optimizer: The optimizer, or a wrapper around it; a scheduler may have changed its rates.

    Attributes:
        optimizer: The optimizer itself.
        reference: The largest learning rate among the groups, as it was made.

    Raises:
        ScheduleError: it is no optimizer, or has no learning rate above 0.
    """

    def __init__(self, who: str, optimizer: Any) -> None:
        self.optimizer = unwrap(who, optimizer)
        groups = self.optimizer.param_groups
        made = [float(group.get("initial_lr", group["lr"])) for group in groups]
        self.reference = max(made)
        if not 0 < self.reference < np.inf:
            rule = f"has no learning rate above 0, got {self.reference}"
            raise ScheduleError(who, rule, "give the optimizer an lr such as 1e-3")
        self._ratios = [rate / self.reference for rate in made]

    def set(self, rate: float) -> None:
        """Set the rate of the largest group, and of the others in proportion."""
        for group, ratio in zip(self.optimizer.param_groups, self._ratios, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate * ratio)
            else:
                group["lr"] = rate * ratio
