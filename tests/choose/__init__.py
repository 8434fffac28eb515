"""Choosing: tasks, comparison, verdict."""
