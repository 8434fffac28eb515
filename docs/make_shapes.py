"""Write docs/shapes.md, a page for each shape, and their pictures, from the docstrings.

python docs/make_shapes.py          writes them
python docs/make_shapes.py --check  says whether the pages are what would be written
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ratewise import schedule

HERE = Path(__file__).parent
PAGE, PAGES, PICTURES = HERE / "shapes.md", HERE / "shapes", HERE / "images" / "shapes"
TOTAL = 400

SECTIONS: dict[str, tuple[ModuleType, ...]] = {
    "Moves": (schedule.moves, schedule.bends),
    "Warm-ups": (schedule.warmup,),
    "Decays without an end": (schedule.decays,),
    "Steps and points": (schedule.steps,),
    "Cycles": (schedule.repeat, schedule.cyclic),
    "Named compositions": (schedule.named,),
    "Frames": (schedule.frames,),
    "Schedules that listen": (schedule.plateau, schedule.greedy),
}
"""The files of shapes; what each offers is in its `__all__`. Operators are told of elsewhere."""

OPERATORS = ("Clip", "Scale")

EXAMPLES = {
    "Between": "Repeat(Cosine(), every=100).between(0.2, 1)",
    "Cosine": "Cosine(to=0.1)",
    "Cyclic": 'Cyclic(0.1, up=50, mode="triangular2")',
    "Divergence": 'Divergence(metric="loss", threshold=1.5, recover=3)',
    "EarlyCool": 'Warmup(20) >> EarlyCool(metric="loss", patience=3)',
    "Exponential": "Exponential(to=0.01)",
    "ExponentialDecay": "ExponentialDecay(0.5, every=80, staircase=True)",
    "Function": "",
    "Greedy": 'Greedy(metric="loss", factor=0.8, patience=1, high=1.5)',
    "InverseSqrt": "InverseSqrt(40)",
    "InverseTime": "InverseTime(1, every=50)",
    "Jagged": "Jagged(Linear(to=0), every=100, warmup=15)",
    "Linear": "Linear(to=0)",
    "LinearCosine": "LinearCosine(cycles=2)",
    "NaturalDecay": "NaturalDecay(1, every=100)",
    "Noam": "Noam(40, 512)",
    "Part": "Part(Cosine(to=0), begin=100, of=500, over=400)",
    "Piecewise": 'Piecewise({0: 0.2, "25%": 1, "60%": 0.4, "100%": 0}, shape="linear")',
    "Plateau": 'Warmup(20) >> Plateau(metric="loss", factor=0.5, patience=2)',
    "Polynomial": "Polynomial(to=0, power=2)",
    "PolynomialCycles": "PolynomialCycles(to=0, power=2, every=100)",
    "Power": "Power(0.5, every=40)",
    "Repeat": "Repeat(Linear(to=0.2), every=100, shrink=0.7)",
    "Restarts": "Restarts(60, grow=2, to=0.1)",
    "Rex": "Rex(to=0)",
    "SWA": 'SWA(Cosine(), at="60%", level=0.3, over=20)',
    "Saturate": 'Saturate("10%")',
    "Sqrt": "Sqrt(to=0)",
    "Step": 'Step(0.3, at=("50%", "75%"))',
    "Tanh": "Tanh(to=0)",
    "Until": '(Warmup("5%") >> Hold()).until("70%") >> Linear(to=0)',
    "UntunedWarmup": "UntunedWarmup(0.98) >> Hold()",
    "WSD": 'WSD("5%", decay="20%", shape="sqrt")',
    "WSDCycles": 'WSDCycles(("40%", "57%"), warmup="3%", decay=0.3)',
    "Warmup": 'Warmup("25%") >> Hold()',
    "Wave": "Wave(to=0, cycles=1.5)",
}
"""What is drawn where the bare name, `Hold()`, cannot be or says little."""

HEAD = """# Shapes

Every shape with a picture of one example over a run of 400 updates; each has a page with its
formula, its edges and where it comes from. A level is a multiplier of the peak rate; a move starts
where the one before it ended. Shapes that listen are drawn on a loss that falls, rests, jumps once
and falls again. Which of them you want is on [another page](which-schedule.md).

These pages are written by `docs/make_shapes.py` from the docstrings of the code.
"""

TABLE = """| at | the beginning | 10 % | 25 % | 50 % | 75 % | 90 % | the end |
|---|---|---|---|---|---|---|---|
"""

CODE = """```python
import ratewise as rw

schedule = {written}
print(rw.show(schedule, {total}))
```
"""

CODE_WITH_A_METRIC = """```python
import ratewise as rw

losses = [max(1 - t / 150, 0.4) + (t == 250) for t in range(0, {total}, 10)]
metrics = [(10 * i, {{"loss": loss}}) for i, loss in enumerate(losses)]
schedule = {written}
print(rw.show(schedule, {total}, metrics=metrics))
```
"""


class Told(NamedTuple):
    """What a docstring says: of the whole, of each argument, of errors, its source and examples."""

    about: list[str]
    args: list[tuple[str, str]]
    raises: str
    source: str
    tried: str


def losses() -> list[tuple[int, dict[str, float]]]:
    """Return the metrics that listening shapes are shown."""
    values = [max(1.0 - t / 150, 0.4) + (1.0 if t == 250 else 0.0) for t in range(0, TOTAL, 10)]
    return [(10 * i, {"loss": value}) for i, value in enumerate(values)]


def shapes(title: str) -> Iterator[tuple[str, str, Any]]:
    """Yield name, example and constructor of each shape of a section."""
    for room in SECTIONS[title]:
        for name, shape in vars(room).items():  # in the order in which the file tells of them
            if name in room.__all__ and name not in OPERATORS:
                yield name, EXAMPLES.get(name, f"{name}()"), shape


# The pages -------------------------------------------------------------------------------------


def write() -> str:
    """Return the page of all shapes."""
    parts = [HEAD]
    for title in SECTIONS:
        parts.append(f"## {title}\n")
        parts += [entry(*shape) for shape in shapes(title)]
    return "\n".join(parts)


def entry(name: str, example: str, shape: Any) -> str:
    """Return what the page of all shapes says of one."""
    page = f"shapes/{name}.md"
    shown = f"`{example}`\n\n" if example else ""
    picture = f"[![{name}](images/shapes/{name}.svg)]({page})\n\n" if example else ""
    return f"### {name}\n\n{shown}{picture}{read(shape).about[0]} [More]({page})\n"


def pages() -> dict[Path, str]:
    """Return every page, by its file."""
    made = {PAGE: write()}
    for title in SECTIONS:
        for name, example, shape in shapes(title):
            made[PAGES / f"{name}.md"] = page_of(name, example, shape)
    return made


def page_of(name: str, example: str, shape: Any) -> str:
    """Return the page of one shape."""
    told = read(shape)
    parts = [f"# {name}\n", f"{told.about[0]}\n"]
    if example:
        parts += [f"![{example}](../images/shapes/{name}.svg)\n", code(example)]
    parts += [f"{_fenced(paragraph)}\n" for paragraph in told.about[1:]]
    parts.append(f"## How it is written\n\n```text\n{signature(name, shape)}\n```\n")
    if told.args:
        rows = "".join(f"| `{argument}` | {_cell(text)} |\n" for argument, text in told.args)
        parts.append(f"| argument | what it is |\n|---|---|\n{rows}")
    if told.raises:
        parts.append(f"Refused: {told.raises}\n")
    parts += levels(example)
    if told.tried:
        parts.append(f"```python-console\n{told.tried}\n```\n")
    if told.source:
        parts.append(f"Source: {told.source}\n")
    parts.append("[All shapes](../shapes.md) · [in other frameworks](../formats.md)\n")
    return "\n".join(parts)


def read(shape: Any) -> Told:
    """Return what the docstring of a shape says."""
    text, _, tried = (inspect.getdoc(shape) or "").partition("\n>>> ")
    about: list[str] = []
    found = {"Args": "", "Raises": "", "Source": ""}
    for paragraph in text.strip().split("\n\n"):
        head, _, rest = paragraph.partition(":")
        if head in found:
            found[head] = rest.strip("\n ") if head == "Source" else inspect.cleandoc(rest)
        else:
            about.append(paragraph)
    args = re.findall(r"^(\w+): (.*(?:\n .*)*)", found["Args"], re.MULTILINE)
    raises = found["Raises"].removeprefix("ScheduleError: ")
    examples = f">>> {tried}".rstrip() if tried else ""
    return Told(about, args, _line(raises), _line(found["Source"]), examples)


def code(example: str) -> str:
    """Return the lines that draw an example in a terminal."""
    block = CODE_WITH_A_METRIC if 'metric="' in example else CODE
    written = repr(example) if '"' in example else f'"{example}"'  # as the formatter quotes
    return block.format(written=written, total=TOTAL)


def levels(example: str) -> list[str]:
    """Return a table of an example's levels, if they are known beforehand."""
    made = schedule.parse(example) if example else None
    if made is None or 'metric="' in example:
        return []
    rates = made.lr if isinstance(made, schedule.Plan) else made
    assert isinstance(rates, schedule.Schedule)
    values = rates.resolve(total=TOTAL).values()
    at = (0, 0.1, 0.25, 0.5, 0.75, 0.9)
    cells = [f"{values[int(share * TOTAL)]:.4g}" for share in at] + [f"{values[-1]:.4g}"]
    return [f"{TABLE}| `{_cell(example)}` | {' | '.join(cells)} |\n"]


def signature(name: str, shape: Any) -> str:
    """Return how a shape is called."""
    called = f"{name}{inspect.signature(shape)}".split(" -> ")[0]
    return re.sub(r": '([^']*)'", r": \1", called).replace("Length", "length")


def _fenced(paragraph: str) -> str:
    """Return a paragraph; one that holds a formula keeps its lines."""
    return f"```text\n{paragraph}\n```" if re.search(r"[\w)²] = |→", paragraph) else paragraph


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _line(text).replace("|", "\\|")


# The pictures ----------------------------------------------------------------------------------


def draw() -> None:
    """Write the pictures, the same bytes each time."""
    import matplotlib

    from ratewise.show import show

    matplotlib.rcParams["svg.hashsalt"] = "ratewise"
    PICTURES.mkdir(parents=True, exist_ok=True)
    for title in SECTIONS:
        for name, example, _ in shapes(title):
            if example:
                figure = show({name: example}, TOTAL, metrics=losses()).figure()
                figure.set_size_inches(5.2, 2.2 * (2 if name == "OneCycle" else 1))
                figure.savefig(PICTURES / f"{name}.svg", metadata={"Date": None})


def current(made: dict[Path, str]) -> bool:
    """Return whether the pages in the folder are these, and no others."""
    there = {path: path.read_text(encoding="utf-8") for path in [PAGE, *PAGES.glob("*.md")]}
    return there == made


def main() -> int:
    """Write, or check."""
    made = pages()
    if "--check" in sys.argv:
        return int(not current(made))
    PAGES.mkdir(exist_ok=True)
    for old in set(PAGES.glob("*.md")) - set(made):
        old.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    draw()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
