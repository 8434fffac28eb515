"""A plain PyTorch loop as a task: snapshot, random streams, position in the data."""

__all__: list[str] = []
