"""Write docs/shapes.md and its pictures from the docstrings of the shapes.

python docs/make_shapes.py          writes both
python docs/make_shapes.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from ratewise import schedule

HERE = Path(__file__).parent
PAGE, PICTURES = HERE / "shapes.md", HERE / "images" / "shapes"
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

Every shape, with its formula, its edges, where it comes from, and a picture of the example over a
run of 400 updates. A level is a multiplier of the peak rate; a move starts where the one before
it ended. Shapes that listen are drawn on a loss that falls, rests, jumps once and falls again.

This page is written by `docs/make_shapes.py` from the docstrings of the code.
"""


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


def write() -> str:
    """Return the page."""
    parts = [HEAD]
    for title in SECTIONS:
        parts.append(f"## {title}\n")
        parts += [section(*shape) for shape in shapes(title)]
    return "\n".join(parts)


def section(name: str, example: str, shape: Any) -> str:
    """Return what is said of one shape."""
    text = inspect.getdoc(shape) or ""
    told = text.split("\n>>> ")[0].rstrip()
    signature = (
        f"{name}{inspect.signature(shape)}".split(" -> ")[0]
        .replace("'", "")
        .replace("Length", "length")
    )
    picture = f"![{name}](images/shapes/{name}.png)\n\n" if example else ""
    shown = f"`{example}`\n\n" if example else ""
    return f"### {name}\n\n{shown}{picture}```text\n{signature}\n\n{told}\n```\n"


def draw() -> None:
    """Write the pictures."""
    from ratewise.show import show

    PICTURES.mkdir(parents=True, exist_ok=True)
    for title in SECTIONS:
        for name, example, _ in shapes(title):
            if example:
                figure = show({name: example}, TOTAL, metrics=losses()).figure()
                figure.set_size_inches(5.2, 2.2 * (2 if name == "OneCycle" else 1))
                figure.savefig(PICTURES / f"{name}.png", dpi=80, metadata={"Software": None})


def main() -> int:
    """Write, or check."""
    page = write()
    if "--check" in sys.argv:
        return int(not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page)
    PAGE.write_text(page, encoding="utf-8")
    draw()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
