"""The command line: one file per command, which parses, calls and prints."""

from ratewise.cli.app import app, main

__all__ = ["app", "main"]
