"""The program run without an engine: what it declares for a stack, told without state, secrets or Docker."""
