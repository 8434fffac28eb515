"""What a card is to the tests here; without one they are skipped, with one reason.

`RATEWISE_TWIN=1` runs them on the CPU, where a tape stands for a graph and a mode for what waits:
that tries the tests themselves, and no card.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ratewise.adapters.torch import device_clock  # noqa: E402
from tests.gpu.checks import CHECKS  # noqa: E402
from tests.torch.device_twin import NoReads, captured  # noqa: E402

TWIN = bool(os.environ.get("RATEWISE_TWIN"))
REASON = "needs a card with CUDA: run `make test-gpu` on a machine that has one"
REPORT = os.environ.get("RATEWISE_GPU_REPORT")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name != "test_page.py":
            item.add_marker(pytest.mark.gpu)
            if not TWIN and not torch.cuda.is_available():
                item.add_marker(pytest.mark.skip(reason=REASON))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """Write down what a row came to, where a report is asked for."""
    made = yield
    row = item.name.partition("[")[0].removeprefix("test_")
    if REPORT and not TWIN and row in CHECKS and (made.when == "call" or made.skipped):
        told = {"row": row, "outcome": made.outcome, "card": torch.cuda.get_device_name()}
        told |= {"torch": torch.__version__, "cuda": torch.version.cuda}
        with Path(REPORT).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
    return made


class Card:
    """The device, how a graph is captured there, and what raises where the host would wait."""

    device = "cpu" if TWIN else "cuda"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch

    def capture(self, act: Callable[[], Any]) -> Callable[[], None]:
        """Return what replays an act; like a graph, the capture itself has done nothing."""
        if not TWIN:
            graph = torch.cuda.CUDAGraph()
            torch.cuda.synchronize()
            with torch.cuda.graph(graph):
                act()
            return graph.replay
        with captured(self._patch) as tape:
            act()
        return tape.replay

    @contextlib.contextmanager
    def warming(self) -> Iterator[None]:
        """Do what is to be captured a few times before, on a stream beside, as PyTorch asks."""
        if TWIN:
            yield
            return
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            yield
        torch.cuda.current_stream().wait_stream(side)

    @contextlib.contextmanager
    def waiting_refused(self) -> Iterator[None]:
        """Raise where the host would wait for the card."""
        if TWIN:
            with NoReads():
                yield
            return
        torch.cuda.synchronize()
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    if TWIN:
        monkeypatch.setattr(device_clock._device, "is_on_card", lambda group: True)
        monkeypatch.setattr(device_clock._device, "is_captured", lambda: False)
    return Card(monkeypatch)
