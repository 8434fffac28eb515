"""Logs that people have, read as loss curves: one file for each format."""

from ratewise.logs.curve import Curve
from ratewise.logs.reading import read_curves

__all__ = ["Curve", "read_curves"]
