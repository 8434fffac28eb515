"""Choose: probe, predict, prove."""
