"""Checkers of chapter I.2, *Cross-entropy*."""

CHECKERS = {}
