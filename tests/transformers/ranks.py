"""Two processes that train one model: python -m tests.transformers.ranks FOLDER."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import ratewise as rw
from ratewise.transformers import attach
from tests.transformers import tiny

PLAN = rw.Warmup("1 epoch") >> rw.Plateau("eval_loss", patience=0, threshold=0.5, over="64 samples")
PLAN = PLAN >> rw.Linear(to=0)
TOTAL = 9


def train(folder: Path, rank: int, port: int) -> None:
    """Train as one of two processes, and write down the rates used."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    options = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    options |= {"eval_strategy": "steps", "eval_steps": 2, "num_train_epochs": 3}
    trainer = tiny.make(folder, n=40, eval_dataset=tiny.rows(6), ddp_backend="gloo", **options)
    attach(trainer, PLAN).train()
    assert trainer.args.world_size == 2
    assert tiny.used(trainer) == tiny.logged(trainer) or rank
    (folder / str(rank)).write_text(" ".join(map(repr, tiny.used(trainer))))
    heard = [(e["step"], e["eval_loss"]) for e in trainer.state.log_history if "eval_loss" in e]
    (folder / f"heard-{rank}").write_text(repr(heard))


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(2):
        child = os.fork()
        if not child:
            train(Path(sys.argv[1]), rank, port)
            os._exit(0)
        children.append(child)
    sys.exit(any(os.waitpid(child, 0)[1] for child in children))
