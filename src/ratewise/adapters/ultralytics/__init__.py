"""Ultralytics: callbacks of its trainer, in the place of its scheduler and its warm-up."""

__all__: list[str] = []
