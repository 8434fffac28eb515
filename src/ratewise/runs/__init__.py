"""What is trained: runs that share what they begin with, by an engine, into a journal."""

from ratewise.runs.specs import RunSpec
from ratewise.runs.tree import PrefixTree

__all__ = ["PrefixTree", "RunSpec"]
