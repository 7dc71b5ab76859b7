"""Measurements: each is a ratio or a count taken side by side in one run, and none is a test."""
