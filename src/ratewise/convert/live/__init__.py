"""Readers of live objects: one file for each framework, which it does not import."""

__all__ = []
