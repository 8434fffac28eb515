"""Schedules in skorch: a callback of the net.

    NeuralNetClassifier(module, max_epochs=10, callbacks=[SkorchCallback("Cosine(to=0)")])

or, for a net that is there, `attach(net, Warmup("5%") >> Cosine(to=0.1))`. The net knows how long a
run is; the optimizer counts its own updates, and its state alone is enough to go on.
"""

from __future__ import annotations

from typing import Any

from ratewise._extras import require

require("torch", extra="skorch")
require("skorch", extra="skorch")

from skorch import NeuralNet  # noqa: E402

from ratewise.adapters.skorch.callback import SkorchCallback  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.strict import strict  # noqa: E402

__all__ = ["SkorchCallback", "attach"]


@strict
def attach(net: Any, schedule: Schedule | Plan | str, **options: Any) -> Any:
    """Make a net follow a schedule; to be called before it is fitted.

    Args:
        net: A net of skorch.
        schedule: A schedule (of the rate), a plan, or the text of either.
        **options: As of `SkorchCallback`: the horizon, policies, `optimizer`, `event_name`.

    Returns:
        The net.

    Raises:
        ScheduleError: not a net, one that has a schedule, or what `SkorchCallback` refuses.
    """
    if not isinstance(net, NeuralNet):
        rule = "needs a net of skorch"
        raise ScheduleError("attach", rule, "write attach(net, schedule)", given=net)
    made = SkorchCallback(schedule, **options)
    callbacks = net.callbacks if isinstance(net.callbacks, list) else []
    for one in callbacks:
        found = one[1] if isinstance(one, tuple) else one
        if isinstance(found, SkorchCallback) and found.optimizer == made.optimizer:
            rule = "found a schedule on this net"
            raise ScheduleError("attach", rule, "attach once; put several schedules in a Plan")
    net.set_params(callbacks=[made, *callbacks])  # before those that save what was heard
    return net
