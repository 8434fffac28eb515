"""What is seen while a comparison trains."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import sys

import pytest
from rich.console import Console

from ratewise.choose import compare
from ratewise.cli.progress import View, drawn_tree, summary
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl


def text(drawn):
    console = Console(file=io.StringIO(), width=100)
    console.print(drawn)
    return console.file.getvalue()


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"prune": "halving"}])
def test_the_way_through_the_tree_is_shown(options):
    """Updates, rates and runs of what is being trained and of what it comes from; who has ended."""
    seen, works = [], []

    class Seeing(View):
        def planned(self, work):
            works.append(work)
            super().planned(work)

        def __call__(self, done, planned, what):
            super().__call__(done, planned, what)
            seen.append(text(self.drawn()))

    result = compare(Bowl(), SCHEDULES, **ASKED, **options, progress=Seeing(Console()))
    last = works[-1]
    ended = f"{len(result.runs)} of {len(result.runs)} runs ended"
    assert summary(last).startswith(ended)
    assert f"{last.tree.sharing:.2f}× fewer updates" in summary(last)
    assert any(re.search(r"0 – 11  rate .* → .*  \d+ runs  done", one) for one in seen)
    assert all(re.search(r"\d+%", one) for one in seen)
    assert text(drawn_tree(last)).strip() == ""


def test_a_terminal_shows_it_and_is_left_clean(tmp_path):
    """In a real terminal the bar and the tree move; at the end only the result is left."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\n"
        f"sys.path.insert(0, {os.getcwd()!r})\n"
        "from tests.runs.engines.tasks import Slow\n"
        "task = Slow()\n"
    )
    words = ["compare", f"{tmp_path}/slow.py:task", "Hold()", "Hold() >> Linear(to=0, over=1)"]
    words += ["--total", "400", "--seeds", "20"]  # 399 updates of both are at one rate
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover
        os.environ["TERM"] = "xterm"
        os.execv(sys.executable, [sys.executable, "-m", "ratewise", *words])
    shown = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    told = shown.decode(errors="replace")
    assert "runs ended" in told
    assert re.search(r"– (399|400)  rate 0.1 ", told)
    assert "Hold()" in told.splitlines()[-4] or "Hold()" in told
