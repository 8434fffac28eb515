"""Schedules in Composer: a callback of the trainer.

    Trainer(model, loader, optimizers=optimizer, max_duration="10ep",
            callbacks=[ComposerCallback(Warmup("5%") >> Cosine(to=0.1))])

A `ratewise.torch.Scheduler` may also be given as one of several, `schedulers=[scheduler]`, with the
total told; alone it is taken for a list by Composer, which needs the brackets.
"""

from __future__ import annotations

from ratewise._extras import require

require("torch", extra="composer")
require("composer", extra="composer")

from ratewise.adapters.composer.callback import ComposerCallback, StateScheduler  # noqa: E402

__all__ = ["ComposerCallback", "StateScheduler"]
