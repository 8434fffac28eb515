"""Private parts of `ratewise.keras`."""
