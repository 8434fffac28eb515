"""The options that say what a run is, the same for every command that reads a schedule."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from ratewise.cli import arguments as args
from ratewise.cli.parsing import read_readings, read_settings, read_total
from ratewise.schedule.errors import Call, Fix, ScheduleError, number
from ratewise.schedule.lengths import updates_in

if TYPE_CHECKING:
    from ratewise.convert.reading import Reading


@dataclass(frozen=True)
class RunOptions:
    """What is typed of a run: each field is an option."""

    total: args.Total = None
    epoch: args.Epoch = None
    samples: args.Samples = None
    tokens: args.Tokens = None
    lr: args.Lr = None
    epochs: args.Epochs = None
    batch_size: args.BatchSize = None
    accumulation: args.Accumulation = None
    processes: args.Processes = None
    examples: args.Examples = None
    format: args.FormatName = None
    settings: args.Settings = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulation", "processes", "examples"):
            value = getattr(self, name)
            if value is not None:
                number(Call("show", name, value), name.replace("_", " "), value, above=True)

    @property
    def length(self) -> str | None:
        """The length of the run, if it was given."""
        return read_total(self.total)

    @property
    def in_epochs(self) -> str | None:
        """The length of the run in epochs, if that is what was given.

        Raises:
            ScheduleError: nobody said how many updates an epoch has.
        """
        if self.epochs is None:
            return None
        if self.units["epoch"] is None:
            fix = "give {epoch}, or {examples} and {batch_size}, or all updates with {total}"
            names = ("epoch", "examples", "batch_size", "total")
            who, rule = Call("show", "epochs", self.epochs), "does not say how long an epoch is"
            raise ScheduleError(who, rule, Fix(fix, **dict.fromkeys(names, "…")))
        return f"{self.epochs:g} epochs"

    @property
    def units(self) -> dict[str, Any]:
        """What lengths in epochs, samples and tokens need; the batches of an update are samples."""
        samples, epoch = self.samples, self.epoch
        if self.batch_size is not None:
            accumulation, processes = self.accumulation or 1, self.processes or 1
            if samples is None:
                samples = self.batch_size * accumulation * processes
            if epoch is None and self.examples is not None:
                epoch = updates_in(self.examples, self.batch_size, accumulation, processes)
        return {"epoch": epoch, "samples": samples, "tokens": self.tokens}

    @property
    def told(self) -> dict[str, Any]:
        """All that whoever reads a format may want to know."""
        names = ("lr", "epochs", "batch_size", "accumulation", "processes", "examples", "format")
        told = {name: getattr(self, name) for name in names} | read_settings(self.settings)
        return {"total": self.length, **self.units, **told}

    def readings(self, specs: list[str]) -> tuple[dict[str, str | Reading], list[str]]:
        """Return the texts of schedules and what was read of files, and what was guessed."""
        return read_readings(specs, **self.told)


def with_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command that takes `run` be typed with the options of a run in its place."""

    @functools.wraps(command)
    def typed(**given: Any) -> None:
        run = RunOptions(**{name: given.pop(name) for name in options})
        command(**given, run=run)

    options = inspect.signature(RunOptions).parameters
    kinds = {of: get_type_hints(of, include_extras=True) for of in (command, RunOptions)}
    hints = {**kinds[command], **kinds[RunOptions]}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        for one in options.values() if name == "run" else [parameter]:
            told = one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
            parameters.append(told)
    made: Any = typed
    made.__annotations__ = {one.name: one.annotation for one in parameters}
    made.__signature__ = inspect.Signature(parameters)
    return made
