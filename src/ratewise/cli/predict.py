"""`ratewise predict`: from logs to a ranking."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import Hold, ScheduleError
from ratewise._extras import require
from ratewise.cli.arguments import Epoch, Json, Out, Png, Word
from ratewise.cli.errors import NO_RECOMMENDATION
from ratewise.cli.output import check_figure, save_figure, say, say_json, write_results
from ratewise.cli.parsing import read_peaks, read_specs, read_total
from ratewise.schedule.errors import Call, number
from ratewise.show.files import check_new

_LOGS = (
    "CSV, trainer_state.json, TensorBoard events, Lightning's metrics.csv, a journal, or a folder "
    "of these."
)
_CANDIDATES = "Schedules to rank, as show takes them; more than once, or several behind it."
_PEAKS = "Peak rates of the candidates, such as 1e-4,3e-4; those of the logs if not given."
_LAW = "auto, mixed, power, momentum, multipower, ema or nonparametric."
_SCHEDULE = "What the logs were trained with, if they have no rates."
_LR = "Peak rate of --schedule, and of candidates."
_WARMUP = "Updates of a warm-up that ended before the first rate was logged."


def predict(
    logs: Annotated[list[str], typer.Argument(metavar="LOG", help=_LOGS)],
    candidates: Annotated[
        list[str] | None, typer.Option(metavar="SPEC", help=_CANDIDATES, show_default=False)
    ] = None,
    total: Annotated[
        Word, typer.Option(metavar="N", help="Updates of the candidates; the longest log's.")
    ] = None,
    peaks: Annotated[Word, typer.Option(help=_PEAKS)] = None,
    law: Annotated[str, typer.Option(help=_LAW)] = "auto",
    loss: Annotated[Word, typer.Option(metavar="NAME", help="Column of losses.")] = None,
    rate: Annotated[Word, typer.Option(metavar="NAME", help="Column of learning rates.")] = None,
    step: Annotated[Word, typer.Option(metavar="NAME", help="Column of updates.")] = None,
    epoch: Epoch = None,
    schedule: Annotated[Word, typer.Option(metavar="SPEC", help=_SCHEDULE)] = None,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help=_LR)] = None,
    warmup: Annotated[int, typer.Option(metavar="N", help=_WARMUP)] = 0,
    out: Out = None,
    figure: Png = None,
    as_json: Json = False,
) -> None:
    """Fit a law to the loss curves in logs, and rank schedules that nobody has trained.

    Exit code 4: nothing is ranked, for a reason that is said.
    """
    require("scipy", extra="search")
    from ratewise.cli.reading import reading
    from ratewise.logs.rates import RateSource
    from ratewise.logs.reading import read_logs
    from ratewise.predict.forecast import forecast

    if figure is not None:
        check_figure(figure)
    if out is not None:
        check_new(f"--out {out}", out)
    if lr is not None:
        number(Call("predict", "lr", lr), "lr", lr, above=True)
    paths, specs = split(logs, candidates or [])
    named, guessed = read_specs(specs)
    asked: Any = {"peaks": _peaks(peaks, lr), "total": _updates(total), "law": law}
    rates = RateSource(rate, schedule, lr, warmup)
    with reading() as progress:
        read = read_logs(paths, loss=loss, step=step, epoch=epoch, rates=rates, progress=progress)
    notes = [*guessed, f"losses are from {', '.join(read.loss)}", *read.notes]
    found = forecast(read.curves, named or None, **asked, notes=notes)
    if figure is not None:
        save_figure(found, figure)
    if as_json:
        say_json(found.to_dict())
    else:
        say(found.text(), coloured=True)
    if out is not None:
        say(write_results(found, out), err=as_json)
    if not found.predictions:
        raise typer.Exit(NO_RECOMMENDATION)


def split(words: list[str], specs: list[str]) -> tuple[list[str], list[str]]:
    """Return logs and candidates: what stands behind `--candidates SPEC` may be more of these."""
    behind = [word for word in words if specs and "(" in word and not Path(word).exists()]
    paths = [word for word in words if word not in behind]
    if not paths:
        raise ScheduleError("ratewise predict", "needs a log", "write ratewise predict LOG…")
    return paths, [*specs, *behind]


def _peaks(peaks: str | None, lr: float | None) -> list[float] | None:
    given = read_peaks(peaks)
    if given is None and lr is not None:
        return [lr]
    return None if given is None or isinstance(given, str) else given


def _updates(total: str | None) -> int | None:
    """Return a number of updates such as 10000 or 10k."""
    text = read_total(total)
    if text is None:
        return None
    if not re.fullmatch(r"[\d_.]+[kKMBGT]? updates", text):
        rule = "is no number of updates"
        raise ScheduleError(f"--total {total}", rule, "write it such as 10000 or 10k")
    return Hold().resolve(text).length
