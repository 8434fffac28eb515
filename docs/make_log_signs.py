"""Write docs/log-signs.md: what real records of fine-tunes show, and how their ends are foreseen.

    python docs/make_log_signs.py FOLDER

The folder holds `logNN.csv` (step, learning_rate, loss, eval_loss) and `index.csv`.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

from ratewise.choose import fit
from ratewise.logs.curve import Curve, jitter
from ratewise.logs.signs import read_signs
from ratewise.predict.forecast import blinding
from ratewise.predict.held_out import first_points
from ratewise.schedule import ScheduleError

PAGE = Path(__file__).with_name("log-signs.md")
HEAD = """# What real records show

Facts from `trainer_state.json` files of public repositories, at most 60 points of each. A law is
fitted to the first 60 % of the points; “foreseen” compares its mean over the last tenth with the
measured one (+ is too high), “inside” says whether the difference is within the 90 % interval plus
the jitter, of those that are agreed to: where nothing in the part, taken for a log that ends there,
forbids to foresee how the run goes on. A loss that stands still and a rate that stays the same stop
a ranking of schedules, and not that. Made by `docs/make_log_signs.py`.

| record | points | seen | foreseen | inside |
|---|---|---|---|---|
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(Path(sys.argv[1])), encoding="utf-8")


def page(folder: Path) -> str:
    """Return the text of the page on the records in a folder."""
    lines: list[str] = []
    agreed: list[bool] = []
    for row in csv.DictReader((folder / "index.csv").open(encoding="utf-8")):
        number = int(row["number"])
        seen, off, inside, agrees = told(folder / f"log{number:02}.csv", int(row["max_steps"]))
        if agrees:
            agreed.append(inside == "yes")
        lines.append(f"| {number} | {seen} | {off} | {inside if agrees else ''} |")
    end = f"\nAgreed to foresee: {len(agreed)}, of which {sum(agreed)} inside.\n"
    return HEAD + "\n".join(lines) + "\n" + end


def told(path: Path, planned: int) -> tuple[str, str, str, bool]:
    """Return (points and signs, relative miss, inside or not, whether a ranking is agreed to)."""
    try:
        run = read(path, planned)
    except ScheduleError as error:
        return f" | no curve: {error.broken}", "", "", False
    signs = read_signs([run])
    said = "; ".join(sign.sentence for sign in signs) or "nothing"
    seen = f"{len(np.asarray(run.steps))} | {said}"
    part = first_points(run, 0.6)
    if part is None:
        return seen, "too few points", "", False
    found = fit(part)
    blind = blinding(found, run.every_rate)
    told = {sign.kind for sign in signs}
    more = "; ".join(sign.sentence for sign in blind if sign.kind not in told)
    seen += f"; in its first 60 %: {more}" if more else ""
    losses, at = np.asarray(run.losses), np.asarray(run.steps, dtype=np.int64)
    last = max(len(at) // 10, 1)
    end, foreseen = (
        losses[-last:].mean(),
        found.losses(steps=at, rates=run.every_rate)[-last:].mean(),
    )
    low, high = found.interval(run.every_rate)
    centre = found.law.losses(run.every_rate)[-1]
    noise = 1.645 * jitter(losses) * end / np.sqrt(last)
    inside = foreseen * low / centre - noise <= end <= foreseen * high / centre + noise
    return seen, f"{foreseen / end - 1:+.1%}", "yes" if inside else "no", not blind


def read(path: Path, planned: int) -> Curve:
    """Return the curve of validation losses where there are eight, else that of training."""
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    train, rates, evaluated = (
        [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        for name in ("loss", "learning_rate", "eval_loss")
    )
    held = len(evaluated) >= 8
    steps, losses = np.array(evaluated if held else train).T
    known = np.interp(steps, *np.array(rates).T)
    beside = () if held else tuple(evaluated)
    return Curve(steps, known, losses, validation=held, evaluations=beside, planned=planned)


if __name__ == "__main__":
    main()
