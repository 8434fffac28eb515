"""Two processes that measure different things: python -m tests.lightning.ranks FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import ratewise as rw
from ratewise.lightning import attach
from tests.lightning import tiny

PLAN = rw.Warmup("2 epochs") >> rw.Plateau("val_loss", patience=0, factor=0.5)


class Ranked(tiny.Module):
    """The first process stands still, the second gets better and better."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.losses = self.by_rank

    def by_rank(self, t: int) -> float:
        return 1.0 if self.global_rank == 0 else 1.0 / (1 + t)

    def on_fit_end(self) -> None:
        text = " ".join(map(repr, tiny.used(self.made)))
        (self.folder / str(self.global_rank)).write_text(text)


if __name__ == "__main__":
    module = attach(Ranked(Path(sys.argv[1])), PLAN)
    tiny.fit(module, 6, validation=2, strategy="ddp_fork", devices=2, max_epochs=4)
