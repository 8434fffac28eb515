"""Tests of what `ratewise run` starts."""
