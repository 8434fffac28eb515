"""Two processes of Accelerate: python -m tests.audit.ranks FOLDER NAME SEED."""

from __future__ import annotations

import os
import random
import socket
import sys
from pathlib import Path

from tests import warm
from tests.audit.mistakes import Case
from tests.audit.trainers import accelerate

SECONDS = 300


def train(name: str, seed: int, folder: Path) -> Case:
    """Train in two processes of their own, and return what the first has logged."""
    words = ["-m", "tests.audit.ranks", folder, name, seed]
    done = warm.run(words, imported=warm.TORCH, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    rng = random.Random(f"two processes {seed}")
    total, warmup = rng.randint(80, 140), rng.randint(8, 16)
    plan = f"Warmup({warmup}, start=0) >> Cosine(to=0.0)"
    kinds = ("steps_per_update",) if name else ()
    given = {"total": total, "lr": 3e-4, "framework": "accelerate"}
    return Case(name, "accelerate", folder / "log.csv", plan, given, kinds)


def one(rank: int, port: int) -> None:
    """Train as one of two processes."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
    os.environ.update({key: str(value) for key, value in place.items()})
    rng = random.Random(f"two processes {sys.argv[3]}")
    accelerate(sys.argv[2], rng, Path(sys.argv[1]), processes=2)


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    children: list[int] = []
    for place in range(2):
        child = os.fork()
        if not child:
            one(place, number)
            os._exit(0)
        children.append(child)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))
