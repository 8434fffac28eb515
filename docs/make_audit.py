"""Write docs/audit.md: what every cause looks like, and what mends it in each framework.

python docs/make_audit.py           writes the page and its figures
python docs/make_audit.py --check   says whether the page is what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ratewise as rw
from ratewise.audit import Audit, audit
from ratewise.audit.fixes import FIXES, NAMES

PAGE = Path(__file__).resolve().parent / "audit.md"
IMAGES = PAGE.parent / "images"
CLIMB = "Warmup(100, start=0)"
SPEC, TOTAL, LR = f"{CLIMB} >> Cosine(to=0.1)", 1000, 3e-4

LOOKS = {
    "off_by_one": "The whole curve lies one update (or a few) to the left or to the right, by more "
    "than a logger can do; or it does so from a resume on.",
    "steps_per_update": "The right curve, run through k times too fast; flat, or rising again, "
    "behind.",
    "updates_per_step": "Stairs of k updates; the end is never reached.",
    "per_epoch": "Long stairs, one for each epoch; the run ends near where it began.",
    "wrong_total": "The right warm-up, then a decay that ends too early, or is cut off.",
    "restarted": "The curve begins again, warm-up and all, where the run was resumed; or it falls "
    "again over what is left; or only the warm-up comes twice.",
    "warmup_extra": "The decay is as long as the whole run, so that the run ends above the floor.",
    "warmup_inside": "A drop where the warm-up ends, or a rounded peak below the one meant.",
    "warmup_short": "A straight climb up to the end of the log; or one that is left before the "
    "peak.",
    "wrong_warmup": "Another slope at the beginning, and the same end.",
    "wrong_peak": "The right curve, higher or lower by one factor.",
    "world_size": "The same, by the number of processes.",
    "wrong_group": "Each curve is right, and belongs to another group; or all groups have one.",
    "floor_as_ratio": "The decay goes on to almost nothing.",
    "floor_as_value": "The decay ends far above the floor, or even climbs.",
    "wrong_floor": "The right curve with another end.",
    "held_past_end": "The plan is over, and the run goes on at its floor.",
    "rebounds_past_end": "The rate climbs again behind the end of a cosine.",
    "skipped_counted": "The curve runs ahead by one more update after each that was skipped.",
    "frozen": "A flat line: from the start, or from some update on.",
    "float32": "Small stairs everywhere: the rates have two or three digits.",
    "wrong_shape": "The right ends, and another way between them.",
}
"""How each cause looks, in the order of the table."""

HEAD = """# Did the run do what was meant?

`audit` holds the log of a run against its plan. It says whether the rates in the log are those that
were meant; if not, at which update they part, by how much, and which of the known mistakes explains
it: each is tried on the log as a hypothesis, and ranked by the share of the log that it explains
within what the logger kept, less a little for what it has to assume.

```python
import numpy as np

import ratewise as rw
from ratewise.audit import audit

plan = "Warmup(100, start=0) >> Cosine(to=0.1)"
meant = rw.parse(plan).resolve(total=1000)

steps = np.arange(10, 1001, 10)  # updates made, as loggers count them
log = {"step": steps, "learning_rate": 3e-4 * meant(steps - 1)}
found = audit(log, plan, total=1000, lr=3e-4)
assert found.agrees
print(found)

twice = 3e-4 * meant(2 * (steps - 1))  # stepped by each of two processes
found = audit({"step": steps, "learning_rate": twice}, plan, total=1000, lr=3e-4)
assert found.agrees is False
assert found.cause.kind == "steps_per_update"
assert found.cause.parameters["k"] == 2
print(found)  # found.figure() draws it
```

On the command line:

```console
$ ratewise audit --help
```

`ratewise audit LOG --plan PLAN --total N --lr RATE` exits with 0 if the run did what was meant,
with 4 if it departs, and with 5 if the log cannot tell. `--json` prints everything as JSON,
`--save` writes the figure. Without `--plan` it names the schedule that reproduces the log.

A log is whatever `read_curves` reads:

| what wrote it | what to give |
|---|---|
| Trainer of Transformers | a `trainer_state.json`, or one of its folders |
| TensorBoard | event files, or their folder |
| Lightning | the `metrics.csv` of its CSVLogger, or its folder |
| Keras | the CSV of `CSVLogger`, with `epoch=`, the updates in an epoch |
| W&B | a local run folder or its `.wandb` file, a `wandb-history.jsonl`, an export as CSV or JSON |
| Trackio | the database of a project |
| anybody | CSV with any separator, a row of JSON on each line, or a list of rows |
| ratewise | our journal |

It may also be `trainer.state.log_history`, a trainer, or columns by name. Of a log with several
runs name one, `named=` or `--named`. Files of any size are read in bounded memory, but for those
that are one piece of JSON, and `progress=` is told how far the reading is. A plan is a schedule,
its text or file, a config of another framework, a scheduler, or the rate of each update.

## What is no mistake

* Loggers show the rate that the last update used, or that of the next one. Both are right, and
  `found.convention` says which it is. Whoever knows says so, `logged="this"`; only then can a clock
  that is early by one be told from a logger.
* A schedule that waits for updates which a loss scale skipped is right: a note says how many. One
  that is behind by a single update from the start is undecided, unless `skips=False` says that no
  update can have been skipped. So is a log that counts a few updates more than were planned, where
  the plan stands still: its counter may have counted skipped ones.
* A warm-up may be a factor on a decay, `Warmup(500) * Cosine(to=0)`, as PyTorch's
  `ChainedScheduler` makes it. It is told from one before a decay, in a plan and without one.
* Where the plan stands still, where a log has two rates, where nobody has said how long the run was
  to be: `found.agrees` is None, and `found.undecided` says what to log.
* Rates rounded by the logger, or kept as float32, are held against what it kept.

What a log does not hold no audit finds: a logger that asks the *scheduler* for its last rate, as
the Trainer does, shows nothing of an optimizer that the scheduler does not drive.

## While it trains

A `RateGuard` looks at every committed update and warns at the first that departs, with the
mistakes that would have made that rate. It keeps nothing but what its own audit needs, and costs
an update of PyTorch less than a microsecond, and about a tenth of one for each group behind the
first (`benchmarks/guard.py` prints it beside what a scheduler costs).

```python
import warnings

from ratewise.testing import RateGuard, RateWarning

guard = RateGuard("Warmup(100, start=0) >> Cosine(to=0.1)", total=1000, lr=3e-4)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for t in range(200):
        guard.record(3e-4 * float(meant(2 * t)))  # stepped twice
assert [one.category for one in told] == [RateWarning]
assert guard.departed.update == 1
assert "steps_per_update" in guard.causes
assert guard.audit().cause.kind == "steps_per_update"  # surer, behind some more updates
```

`guard.watch(optimizer)` in a loop of PyTorch or Accelerate; `guard.callback("transformers")`,
`"lightning"` or `"keras"` among the callbacks of a trainer, which says where a run goes on;
`guard.record(current_rate(opt_state))` with Optax. `warnings.simplefilter("error", RateWarning)`
ends the run there.

{FIGURES}
## The causes

The words are stable. Two at once are joined, `steps_per_update+wrong_peak`. Where two explain a log
equally well (two steps in an update, and half of the total without a warm-up), the simpler one
comes first and `found.undecided` names both. Accelerate and Lightning step the schedulers of
PyTorch: what is said to PyTorch alone holds there too.

"""

FIGURES = """## How sure it is

Measured with seeds that nobody has tuned on, by scripts that draw other cases for other seeds:

| what | script | found |
|---|---|---|
| real runs with a mistake in their script, by loops of PyTorch, the Trainer, Lightning, Keras and \
Accelerate (two processes too): the cause is named first | `benchmarks/audit.py --wrong-only` | \
{wrong} |
| right runs of all of these, rounded, sparse, resumed and skipping: accused | \
`benchmarks/audit.py --right-only` | {right} |
| random schedules of 14 families without a plan, logged every 10 to 500 updates with six digits: \
family and numbers within 1 % | `benchmarks/inference.py` | {inferred} |

{missed}
"""

MEASURED = {
    "wrong": "315 of 315 (seed 731000)",
    "right": "0 of 610 (seeds 905000 and 977000); of 60 the log could not tell",
    "inferred": "499 of 500 (seeds 555 and 556)",
    "missed": "Before the last mend, seed 842000 had 2 of 300 right runs accused: their counters\n"
    "had counted skipped updates past the end of a plan that stood still. Such a log is undecided\n"
    "now. Without a plan, a decay of which a log had four rows alone was taken for stairs.",
}

Rates = Callable[[Any], Any]


def rate(t: Any, spec: str = SPEC, total: int = TOTAL, lr: float = LR) -> Any:
    """The rates of updates."""
    return lr * rw.parse(spec).resolve(total=total)(np.maximum(np.asarray(t), 0))


def bent(t: Any) -> Any:
    """A cosine that rises again."""
    return rate(np.where(t > TOTAL, 2 * TOTAL - t, t))


def kept_in(t: Any) -> Any:
    """A table in float16."""
    return rate(t).astype(np.float16).astype(np.float64)


SHOWN: dict[str, Rates] = {
    "off_by_one": lambda c: rate(c + 8),
    "steps_per_update": lambda c: rate(2 * (c - 1)),
    "updates_per_step": lambda c: rate((c - 1) // 4),
    "per_epoch": lambda c: rate((c - 1) // 50),
    "wrong_total": lambda c: rate(c - 1, total=1700),
    "restarted": lambda c: rate(np.where(c > 600, c - 601, c - 1)),
    "warmup_extra": lambda c: rate(c - 1, f"{CLIMB} >> Cosine(to=0.1, over=1000)", 1100),
    "warmup_inside": lambda c: np.where(c <= 100, rate(c - 1), rate(c - 1, "Cosine(to=0.1)")),
    "warmup_short": lambda c: LR * (c - 1) / 1600,
    "wrong_warmup": lambda c: rate(c - 1, "Warmup(300, start=0) >> Cosine(to=0.1)"),
    "wrong_peak": lambda c: rate(c - 1, lr=LR / 3),
    "world_size": lambda c: rate(c - 1, lr=LR * 4),
    "floor_as_ratio": lambda c: rate(c - 1, f"{CLIMB} >> Cosine(to=0.00003)"),
    "floor_as_value": lambda c: rate(c - 1, f"{CLIMB} >> Cosine(to={0.1 / 3e-4!r})"),
    "wrong_floor": lambda c: rate(c - 1, "Warmup(100, start=0) >> Cosine(to=0.4)"),
    "frozen": lambda c: rate(np.minimum(c - 1, 300)),
    "float32": kept_in,
    "wrong_shape": lambda c: rate(c - 1, "Warmup(100, start=0) >> Linear(to=0.1)"),
    "skipped_counted": lambda c: rate(c - 1 + 8 * (c > 300) + 8 * (c > 500) + 8 * (c > 650)),
    "rebounds_past_end": bent,
    "held_past_end": lambda c: rate(c - 1),
}
"""The rates that a log shows of each cause, by the updates made."""


def example(kind: str) -> Audit:
    """Return the audit of a log with one mistake."""
    longer = kind.endswith("past_end")
    counts = np.arange(10, 1501 if longer else 1001, 10)
    if kind == "wrong_group":
        head = rate(counts - 1, lr=LR * 3)
        log = {"step": counts, "lr/body": head, "lr/head": rate(counts - 1)}
        return audit(log, SPEC, total=TOTAL, lr={"body": LR, "head": LR * 3})
    return audit({"step": counts, "lr": SHOWN[kind](counts)}, SPEC, total=TOTAL, lr=LR)


def cell(text: str) -> str:
    """What a fix says, in a table."""
    return text.format_map(_Blank()).replace("|", "\\|")


class _Blank(dict[str, str]):
    """What a fix fills in, as it stands in the table."""

    def __missing__(self, name: str) -> str:
        return "…"


def row(kind: str) -> str:
    """A cause, as a row of the table."""
    fixes = FIXES[kind]
    others = [f"**{NAMES[name]}**: {cell(fixes[name])}" for name in fixes if name]
    told = "<br>".join([cell(fixes[""]), *others])
    name = kind.replace("_", "-")
    return f"| `{kind}` | {LOOKS[kind]}<br>![{kind}](images/audit-{name}.png) | {told} |"


def markdown() -> str:
    """Return the page."""
    table = ["| cause | how it looks | what mends it |", "|---|---|---|", *map(row, LOOKS)]
    figures = FIGURES.format(**MEASURED)
    return HEAD.replace("{FIGURES}", figures) + "\n".join(table) + "\n"


def draw() -> None:
    """Write the figure of every cause."""
    for kind in LOOKS:
        found = example(kind)
        figure = found.figure()
        figure.savefig(IMAGES / f"audit-{kind.replace('_', '-')}.png", dpi=64)


def main() -> int:
    """Write the page and its figures, or check the page."""
    text = markdown()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    draw()
    return 0


if __name__ == "__main__":
    sys.exit(main())
