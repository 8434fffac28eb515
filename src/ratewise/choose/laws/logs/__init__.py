"""Logs that people have, read as loss curves: one file for each format."""

from ratewise.choose.laws.logs.reading import read_curves

__all__ = ["read_curves"]
