"""Training configs of other projects read as plans, one module for each project."""

__all__ = []
