"""`ratewise run`: a training script as it stands, with a schedule."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise.cli.arguments import Epoch, Samples, Tokens, Total, Word
from ratewise.cli.output import say
from ratewise.cli.parsing import check_spec, is_file, read_specs, read_total
from ratewise.schedule import Hold, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import Call, number, one_of
from ratewise.schedule.familiar import read_named

_SCHEDULE = "A schedule, a name such as cosine, or the file of a config of any framework."
_WARMUP = "Length of the warm-up, where SPEC is a name that trainers know: cosine, linear, …"
_COMMAND = "What to run, behind --: trl sft …, python train.py …, torchrun … or train.py …"
_RESUME = "What to do if a checkpoint has another schedule: checkpoint, code, rescale or continue."
_BY_HAND = "What to do about a rate that is set by hand: warn, ignore, follow or refuse."

NOTHING = 3
"""Exit code of a script that ended well, and in which there was nothing to attach to."""


def run(
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help=_COMMAND)],
    schedule: Annotated[str, typer.Option(metavar="SPEC", help=_SCHEDULE)],
    warmup: Annotated[Word, typer.Option(metavar="LENGTH", help=_WARMUP)] = None,
    total: Total = None,
    epoch: Epoch = None,
    samples: Samples = None,
    tokens: Tokens = None,
    resume: Annotated[Word, typer.Option(help=_RESUME)] = None,
    by_hand: Annotated[str, typer.Option(help=_BY_HAND)] = "warn",
) -> None:
    """Run a training script, unchanged, with a schedule in the trainer that it uses.

    A Trainer of Transformers (and of TRL), a Trainer of Lightning or a loop of Accelerate is found
    in the processes that the command starts, whatever starts them, and follows the schedule; what
    was attached to is said. Nothing else is changed. The exit code is that of the command; 3 if it
    ended well and there was nothing to attach to.
    """
    from ratewise.adapters.arguments import BY_HAND, RESUME
    from ratewise.launch.request import LaunchRequest

    for name, value in (("epoch", epoch), ("samples", samples), ("tokens", tokens)):
        if value is not None:
            number(Call("run", name, value), name, value, above=True)
    length = read_total(total)
    if length is not None:
        Hold().resolve(length, epoch=epoch or 1.0, samples=samples or 1.0, tokens=tokens or 1.0)
    if resume is not None:
        one_of(Call("run", "resume", resume), "names no policy", resume, RESUME)
    one_of(Call("run", "by_hand", by_hand), "names no policy", by_hand, BY_HAND)
    check_spec("--schedule", schedule)
    plan = _read(schedule, warmup)
    told: dict[str, Any] = {
        "total": length, "epoch": epoch, "samples": samples, "tokens": tokens,
        "resume": resume,
    }  # fmt: skip
    options = {name: value for name, value in told.items() if value is not None}
    words = _started(command)
    with tempfile.TemporaryDirectory(prefix="ratewise-run-") as folder:
        said = Path(folder) / "attached"
        form = plan.to_dict()
        request = LaunchRequest(form, repr(plan), str(said), {**options, "by_hand": by_hand})
        code = _finish(words, request.environment(os.environ))
        attached = said.exists()
    if not code and not attached:
        rule = "found no Trainer of Transformers or Lightning and no Accelerator to attach to"
        fix = "the script ran with its own rates: write Scheduler(optimizer, …) into its loop"
        say(f"error: {ScheduleError('ratewise run', rule, fix)}", err=True)
        code = NOTHING
    raise typer.Exit(code)


def _read(spec: str, warmup: str | None) -> Schedule | Plan:
    """Return the schedule of a name, a text or a file; what was guessed of a file is said."""
    given: Any = spec
    if not spec.strip().replace("-", "_").isidentifier() or is_file(spec):
        named, guessed = read_specs([spec])
        given = next(iter(named.values()))
        for line in guessed:
            say(line, err=True)
    length = int(warmup) if warmup and warmup.isdecimal() else warmup
    return read_named("--schedule", given, "write a schedule", {"warmup": length})[0]


def _started(command: list[str]) -> list[str]:
    """Return the words of a command; a script of Python is run by this Python."""
    words = command[1:] if command[0] == "--" else list(command)
    if words and words[0].endswith(".py"):
        words = [sys.executable, *words]
    if not words or shutil.which(words[0]) is None:
        fix = "write ratewise run --schedule SPEC -- python train.py"
        raise ScheduleError("ratewise run", "needs a command that is there", fix, given=words[:1])
    return words


def _finish(words: list[str], environment: dict[str, str]) -> int:
    """Run a command to its end and return its exit code, as shells have it."""
    with subprocess.Popen(words, env=environment) as process:
        while True:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                continue  # it got the same signal, and ends as it sees fit
            return 128 - code if code < 0 else code
