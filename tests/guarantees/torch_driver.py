"""Plain PyTorch, and Accelerate around it."""

from __future__ import annotations

from typing import Any

import torch

from ratewise.torch import Scheduler
from tests.guarantees.setup import HELD_OUT, LR, Ran, Setup, rows


class Recorder(torch.optim.SGD):
    """Keeps the rate of each update, read inside `step`, beside any hook."""

    used: list[float]

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        self.__dict__.setdefault("used", []).append(float(self.param_groups[0]["lr"]))
        return result


def line() -> Any:
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1)


def tensors(n: int) -> Any:
    return torch.utils.data.TensorDataset(*map(torch.tensor, rows(n)))


def held_out(model: Any) -> float:
    x, y = map(torch.tensor, HELD_OUT)
    with torch.no_grad():
        return float((model(x) - y).square().mean())


class Plain:
    """A loop of the user's own."""

    name = "torch"
    flushes = True

    def train(self, plan: Any, setup: Setup) -> Ran:
        model, ran = line(), Ran()
        optimizer = Recorder(model.parameters(), lr=LR)
        scheduler = Scheduler(optimizer, plan, total=setup.told, resume=setup.policy)
        path, first = setup.folder / "run.pt", 0
        if setup.resume:
            saved = torch.load(path, weights_only=True)
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            scheduler.load_state_dict(saved["scheduler"])
            first = saved["epoch"]
        loader = torch.utils.data.DataLoader(tensors(setup.batches), batch_size=1)
        for epoch in range(first, setup.epochs if setup.stop is None else setup.stop):
            for i, (x, y) in enumerate(loader, 1):
                (model(x) - y).square().mean().backward()
                if i % setup.accumulation == 0 or i == len(loader):
                    optimizer.step()
                    optimizer.zero_grad()
                    ran.logged.append(float(scheduler.get_last_lr()[0]))
                    setup.after(scheduler.committed, optimizer.used[-1])
            if setup.listen:
                ran.heard.append((scheduler.committed, held_out(model)))
                scheduler.observe({"val_loss": ran.heard[-1][1]})
            states = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
            saved = {name: one.state_dict() for name, one in states.items()}
            torch.save({**saved, "epoch": epoch + 1}, path)
        ran.used = optimizer.__dict__.get("used", [])
        ran.replay = scheduler.replay()
        return ran


class Accelerated:
    """The same loop as Accelerate has it, its scheduler prepared and stepped with each batch."""

    name = "accelerate"
    flushes = True

    def train(self, plan: Any, setup: Setup) -> Ran:
        from accelerate import Accelerator

        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=setup.accumulation)
        model, ran = line(), Ran()
        inner = Recorder(model.parameters(), lr=LR)
        own = Scheduler(inner, plan, total=setup.told, resume=setup.policy)
        loader = torch.utils.data.DataLoader(tensors(setup.batches), batch_size=1)
        model, optimizer, loader, scheduler = accelerator.prepare(model, inner, loader, own)
        folder, note = setup.folder / "state", setup.folder / "epoch.txt"
        first = 0
        if setup.resume:
            accelerator.load_state(str(folder))
            first = int(note.read_text())
        for epoch in range(first, setup.epochs if setup.stop is None else setup.stop):
            for x, y in loader:
                with accelerator.accumulate(model):
                    accelerator.backward((model(x) - y).square().mean())
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
                if accelerator.sync_gradients:
                    ran.logged.append(float(scheduler.get_last_lr()[0]))
                    setup.after(own.committed, inner.used[-1])
            if setup.listen:
                ran.heard.append((own.committed, held_out(model)))
                own.observe({"val_loss": ran.heard[-1][1]})
            accelerator.save_state(str(folder))
            note.write_text(str(epoch + 1))
        ran.used = inner.__dict__.get("used", [])
        ran.replay = own.replay()
        return ran
