"""Optax: rates inside compiled steps, and states that are found again."""

__all__: list[str] = []
