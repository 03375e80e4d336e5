"""Notebooks are compared by the rules of tests/notebooks/nbval_tolerance.py."""

pytest_plugins = ["nbval_tolerance"]
