"""Composer: a callback that puts a scheduler into the state of the trainer, and listens."""

__all__: list[str] = []
