"""A Lightning module as a task."""

__all__: list[str] = []
