"""Write docs/shapes.md and its pictures from the docstrings of the shapes.

python docs/make_shapes.py          writes both
python docs/make_shapes.py --check  says whether the page is what would be written
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import ratewise as rw

HERE = Path(__file__).parent
PAGE, PICTURES = HERE / "shapes.md", HERE / "images" / "shapes"
TOTAL = 400

SECTIONS: dict[str, dict[str, str]] = {
    "Moves": {
        "Hold": "Hold()",
        "Linear": "Linear(to=0)",
        "Cosine": "Cosine(to=0.1)",
        "Polynomial": "Polynomial(to=0, power=2)",
        "Sqrt": "Sqrt(to=0)",
        "Exponential": "Exponential(to=0.01)",
        "Tanh": "Tanh(to=0)",
        "Rex": "Rex(to=0)",
        "Wave": "Wave(to=0, cycles=1.5)",
        "LinearCosine": "LinearCosine(cycles=2)",
    },
    "Warm-ups": {
        "Warmup": 'Warmup("25%") >> Hold()',
        "Saturate": 'Saturate("10%")',
        "UntunedWarmup": "UntunedWarmup(0.98) >> Hold()",
    },
    "Decays without an end": {
        "ExponentialDecay": "ExponentialDecay(0.5, every=80, staircase=True)",
        "NaturalDecay": "NaturalDecay(1, every=100)",
        "InverseTime": "InverseTime(1, every=50)",
        "Power": "Power(0.5, every=40)",
        "PolynomialCycles": "PolynomialCycles(to=0, power=2, every=100)",
    },
    "Steps and points": {
        "Step": 'Step(0.3, at=("50%", "75%"))',
        "Piecewise": 'Piecewise({0: 0.2, "25%": 1, "60%": 0.4, "100%": 0}, shape="linear")',
        "Function": "",
    },
    "Cycles": {
        "Repeat": "Repeat(Linear(to=0.2), every=100, shrink=0.7)",
        "Restarts": "Restarts(60, grow=2, to=0.1)",
        "Cyclic": 'Cyclic(0.1, up=50, mode="triangular2")',
        "OneCycle": "OneCycle()",
        "Jagged": "Jagged(Linear(to=0), every=100, warmup=15)",
        "WSDCycles": 'WSDCycles(("40%", "57%"), warmup="3%", decay=0.3)',
    },
    "Named compositions": {
        "WSD": 'WSD("5%", decay="20%", shape="sqrt")',
        "InverseSqrt": "InverseSqrt(40)",
        "Noam": "Noam(40, 512)",
        "SlantedTriangular": "SlantedTriangular()",
        "FlatCosine": "FlatCosine()",
        "SWA": 'SWA(Cosine(), at="60%", level=0.3, over=20)',
    },
    "Frames": {
        "Part": "Part(Cosine(to=0), begin=100, of=500, over=400)",
        "Until": '(Warmup("5%") >> Hold()).until("70%") >> Linear(to=0)',
        "Between": "Repeat(Cosine(), every=100).between(0.2, 1)",
    },
    "Schedules that listen": {
        "Plateau": 'Warmup(20) >> Plateau(metric="loss", factor=0.5, patience=2)',
        "Greedy": 'Greedy(metric="loss", factor=0.8, patience=1, high=1.5)',
        "Divergence": 'Divergence(metric="loss", threshold=1.5, recover=3)',
        "EarlyCool": 'Warmup(20) >> EarlyCool(metric="loss", patience=3)',
    },
}
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


def write() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, shapes in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [section(name, example) for name, example in shapes.items()]
    return "\n".join(parts)


def section(name: str, example: str) -> str:
    """Return what is said of one shape."""
    shape: Any = getattr(rw, name)
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
    for shapes in SECTIONS.values():
        for name, example in shapes.items():
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
