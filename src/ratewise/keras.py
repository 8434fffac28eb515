"""Schedules in Keras: a rate that lives in the optimizer, or a callback that attaches a plan.

    model.compile(Adam(LearningRate("Warmup(500) >> Cosine(to=0.1)", lr=3e-4, total=10_000)), …)

    model.compile(SGD(0.1, momentum=0.9), …)
    model.fit(…, callbacks=[Callback(OneCycle())])

Both are computed inside the graph, from the optimizer's own count of committed updates, on
TensorFlow, JAX and PyTorch: gradient accumulation, several steps per execution, and updates that
a loss scale skips all give the same rates. For one rate per epoch there is `by_epoch`.
"""

from __future__ import annotations

from ratewise._extras import require

require("keras", extra="keras")

from ratewise.adapters.keras.callback import Callback  # noqa: E402
from ratewise.adapters.keras.learning_rate import LearningRate, by_epoch  # noqa: E402

__all__ = ["Callback", "LearningRate", "by_epoch"]
