"""What is seen while a comparison trains."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import select
import sys

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ratewise.choose import compare
from ratewise.cli import app
from ratewise.cli.output import CHATTER, keep_quiet, shown_progress
from ratewise.cli.progress import View, drawn_tree, summary
from ratewise.view.progress import ProgressLines
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


def test_status_shows_the_whole_choice(tmp_path):
    """Not its last list of runs alone: what was trained of the budget, and when it was over."""
    journal = str(tmp_path / "runs.db")
    words = ["tests/choose/valley.py:valley", "--total", "30", "--budget", "900", "--seeds", "2"]
    made = CliRunner().invoke(app, ["choose", *words, "--journal", journal, "--json"])
    assert made.exit_code in (0, 4), made.output
    spent = json.loads(made.stdout)["spent"]
    told = CliRunner().invoke(app, ["status", journal]).stdout
    trained = int(re.match(r"ended: ([\d,]+) updates trained of a budget of 900 ", told)[1])
    assert spent["find"] > 0
    assert trained >= sum(spent.values())  # what is trained twice on the way to a fork counts too
    assert "go on with" not in told
    numbers = json.loads(CliRunner().invoke(app, ["status", journal, "--json"]).stdout)
    assert numbers["altogether"] == trained > numbers["trained"]
    assert numbers["lists"] > 3


def test_nothing_is_shown_on_request():
    """`--quiet` gives nobody to tell; without a terminal there are lines."""
    with shown_progress(quiet=True) as view:
        assert view is None
    with shown_progress() as view:
        assert isinstance(view, ProgressLines)


def test_frameworks_are_kept_quiet_unless_they_are_wanted(monkeypatch):
    """Their bars and news are switched off before they are imported; what is set stays."""
    for name in CHATTER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "0")
    keep_quiet()
    assert os.environ["TQDM_DISABLE"] == "0"
    assert os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] == "1"
    for name in CHATTER:  # monkeypatch does not know of what was set meanwhile
        monkeypatch.delenv(name, raising=False)


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
