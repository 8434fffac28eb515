"""Keras: a callback that writes the rate of every update, and metrics for schedules that listen."""

__all__: list[str] = []
