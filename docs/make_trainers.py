"""Write docs/trainers.md from the tests that hold each trainer to the same promises.

python docs/make_trainers.py          writes it
python docs/make_trainers.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from pages import write_or_check  # noqa: E402

from ratewise.schedule.foreign import NAMES as TABLE  # noqa: E402
from tests.trainers.ledger import COLUMNS, Held, collect  # noqa: E402

PAGE = ROOT / "docs" / "trainers.md"
PINNED = ROOT / "requirements" / "constraints.txt"
ORDER = {
    "PyTorch loop": "torch",
    "Transformers Trainer": "transformers",
    "TRL": "trl",
    "Lightning": "lightning",
    "Lightning CLI": "lightning",
    "Fabric": "lightning",
    "Accelerate": "accelerate",
    "Keras": "keras",
    "Optax": "optax",
    "DeepSpeed": "deepspeed",
    "fastai": "fastai",
    "skorch": "skorch",
    "Ignite": "pytorch-ignite",
    "Ultralytics": "ultralytics",
    "Composer": "mosaicml",
    "timm": "timm",
    "optimizer in backward": "torch",
    "several optimizers": "torch",
}
"""The rows in their order, and the package whose version counts for each."""

HEAD = """# In the trainer that you have

A schedule is one line in each of these, and each was tried with the real library: its own loop,
its own checkpoints, its own log. This page is written from those tests, and a test says that it
is current.

```python
import torch
from ratewise.torch import Scheduler

optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))], lr=3e-4)
Scheduler(optimizer, "cosine", warmup="3%", total=10_000)
```

## By a name that you know

`attach(trainer, "cosine", warmup="3%")` of `ratewise.transformers`, `attach(module, "cosine", …)`
and `Attach` of `ratewise.lightning`, `Scheduler` above, `LearningRate` and `Callback` of
`ratewise.keras`, `schedule`, `inject` and `listen` of `ratewise.optax`, the adapters of all other
trainers below, and `ratewise run --schedule cosine --warmup 3%` take these names, from one table:
that of the suggestions. The rates are those that
Transformers has under the name, but for the warm-up, which is `Warmup(…)`: no update is wasted at
rate 0. What it takes there may be given beside it (`num_cycles=…`, `power=…`), and `to=…`, the end
as a share of the peak. A name that means several things is refused until it does not, and the
error says what to write.

Everything else is written as a schedule, `"Warmup('3%') >> Cosine(to=0.1)"`. Its text is taken
wherever a schedule is, in the fields and groups of a `Plan` too, so that a file of YAML needs no
Python.

"""

BELOW = """\
A script that is not yours needs no line at all: `ratewise run --schedule cosine -- trl sft …`
attaches to the Trainer, the module or the loop that it finds. What was tried, the examples of TRL
and of Transformers among it, is [here](run.md).

## A run that began without ratewise

Its checkpoint has no state of ours, and perhaps that of another scheduler. The Trainer, Lightning,
DeepSpeed, Composer, Ultralytics and Ignite know at which update a run is: from there it follows the
code's schedule. What another scheduler has saved says nothing of that one. It is refused, until
`resume="code"` says that it may be passed over. In a loop of your own, an optimizer with moments
and no count is asked about: give `updates=N`, or call `scheduler.seek(N)` behind the load.

## What holds where

* **rates exact**: update t uses the rate of update t, whatever accumulates or wraps it, to the
  precision in which the framework holds a rate.
* **log right**: what the trainer's own log has beside update k is what update k used.
* **optimizer alone, loaded first**: the optimizer's state, and nothing else, was saved behind each
  update of a short run and loaded before the schedule is bound; from each the run goes on exactly.
* **optimizer alone, loaded behind**: so does one that is loaded when the schedule is bound already.
* **resume by our state**: so does one with the scheduler's, as the trainer saves it.
* **killed and resumed**: a process is killed with SIGKILL, and begun again from its last
  checkpoint.
* **metric heard**: a schedule that listens is shown what the trainer measures.
* **YAML**: the schedule stands in a file.

"""


def versions() -> dict[str, str]:
    """Return the versions that the tests are run with, by package."""
    lines = PINNED.read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def names() -> str:
    """Return the names that may be given, with what is written for each."""
    from ratewise.schedule.familiar import NAMES

    told = ["| name | is | needs |", "|---|---|---|"]
    for name in NAMES:
        if not name.startswith("get_"):
            known = TABLE[name]
            asks = ", ".join(f"`{key}=…`" for key in known.asks.split())
            told.append(f"| `{name}` | `{_shape(name)}` | {asks} |")
    told.append("")
    told.append(
        "The functions of Transformers, `get_cosine_schedule_with_warmup` and so on, are known too."
    )
    return "\n".join(told) + "\n\n"


def _shape(name: str) -> str:
    from ratewise.schedule.familiar import read_named

    known = TABLE[name]
    enough = {"warmup": "3%", "to": 0.1, "power": 2, "num_cycles": 2, "decay": "20%"}
    enough["metric"] = "eval_loss"
    value, _ = read_named("attach", name, "", {key: enough[key] for key in known.asks.split()})
    if name in ("one_cycle", "onecycle", "OneCycle"):  # whose plan is long
        return "OneCycle()"
    return str(value)


def table(cells: list[Held]) -> str:
    """Return the table, its notes, and the tests behind it."""
    rows = sorted({cell.trainer for cell in cells}, key=_place)
    pinned, notes = versions(), list[str]()
    head = "| trainer | version | " + " | ".join(COLUMNS) + " |\n"
    lines = [head, "|---|---|" + "---|" * len(COLUMNS) + "\n"]
    for row in rows:
        found = {cell.column: cell for cell in cells if cell.trainer == row}
        texts = [_cell(found[column], notes) for column in COLUMNS]
        package = ORDER.get(_known(row), row)
        version = f"{package} {pinned[package]}" if package in pinned else package
        lines.append(f"| {row} | {version} | " + " | ".join(texts) + " |\n")
    told = "".join(f"{i}. {_sentence(note)}.\n" for i, note in enumerate(notes, 1))
    return "".join(lines) + "\n" + told + "\n## The tests behind it\n\n" + _tests(cells, rows)


def _sentence(note: str) -> str:
    """Return a note as a sentence; what is the name of a file or a call stays as it is."""
    return note[0].upper() + note[1:] if note.split()[0].isalpha() else note


def _known(row: str) -> str:
    return next((name for name in ORDER if name.lower() == row.lower()), row)


def _place(row: str) -> tuple[int, str]:
    known = _known(row)
    return (list(ORDER).index(known) if known in ORDER else len(ORDER)), row


def _cell(cell: Held, notes: list[str]) -> str:
    kind = "held" if cell.test else "not possible"
    if not cell.note:
        return kind
    note = cell.note.rstrip(".")
    if note not in notes:
        notes.append(note)
    return f"{kind} [{notes.index(note) + 1}]"


def _tests(cells: list[Held], rows: list[str]) -> str:
    lines: list[str] = []
    for row in rows:
        held = {cell.column: cell.test for cell in cells if cell.trainer == row and cell.test}
        by_test: dict[str, list[str]] = {}
        for column in COLUMNS:
            if column in held:
                by_test.setdefault(held[column], []).append(column)
        told = "; ".join(f"`{test}` ({', '.join(several)})" for test, several in by_test.items())
        lines.append(f"* **{row}**: {told}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the whole page."""
    text = HEAD + names() + BELOW + table(collect())
    return re.sub(r"\n{3,}", "\n\n", text)


def main() -> int:
    """Write the page, or check it."""
    return write_or_check(PAGE, page())


if __name__ == "__main__":
    sys.exit(main())
