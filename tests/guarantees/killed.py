"""A run that is killed with SIGKILL behind an update; every rate it used is in a file by then.

python -m tests.guarantees.killed FRAMEWORK FOLDER UPDATE, update 0 for a run to the end
"""

from __future__ import annotations

import os
import signal
import sys
import warnings
from pathlib import Path

from tests.guarantees.drivers import driver
from tests.guarantees.setup import Setup
from tests.guarantees.test_runs import plateau

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    name, folder, update = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    saved = ("run.pt", "epoch.txt", "checkpoint-4", "run.ckpt", "run.keras", "run.pickle")

    def after(t: int, rate: float) -> None:
        with (folder / "used.txt").open("a") as file:
            file.write(f"{t} {rate!r}\n")
            file.flush()
        if t == update:
            os.kill(os.getpid(), signal.SIGKILL)

    resume = any((folder / one).exists() for one in saved)
    one = driver(name)
    one.train(plateau(name), Setup(folder, listen=True, resume=resume, after=after))
