"""Causes of what people see: one small function each, which looks for its cause and tells what it saw."""
