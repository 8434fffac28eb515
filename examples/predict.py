"""What would other schedules have come to? Three logs fitted, six other runs foretold and checked.

Reads the published validation losses of a language model under nine schedules. A law is fitted to
three of the logs; what it says of the six others is printed beside what they really came to, and
then which schedule it would train next.

    python examples/predict.py [--size 25|100] [--figure FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ratewise.choose import Curve, fit, read_curves
from ratewise.predict.forecast import forecast

LOGS = Path(__file__).parents[1] / "tests" / "data" / "loss_curves"
KNOWN = ("constant_24000", "cosine_24000", "wsdcon_9")
WARMUP = 2160  # the logs begin behind it


def off(told: float, curve: Curve) -> str:
    """Return a prediction beside what was measured."""
    came = float(np.asarray(curve.losses)[-1])
    return f"{curve.name:22} told {told:.4f}  came to {came:.4f}  off by {told - came:+.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, choices=(25, 100), default=25, help="millions")
    parser.add_argument("--figure", type=Path, help="draw what is foretold")
    options = parser.parse_args()

    curves = {one.name: one for one in read_curves(LOGS / f"csv_{options.size}", warmup=WARMUP)}
    known = [curves[name] for name in KNOWN]
    fitted = fit(known)
    print(fitted)
    for name, curve in curves.items():
        if name not in KNOWN:
            steps = np.asarray(curve.steps)
            print(off(fitted.losses(steps=steps, rates=curve.every_rate)[-1], curve))

    found = forecast(known)
    print(f"\n{found.table()}\n\n{found.advice()}")
    if options.figure is not None:
        found.figure().savefig(options.figure, dpi=150)


if __name__ == "__main__":
    main()
