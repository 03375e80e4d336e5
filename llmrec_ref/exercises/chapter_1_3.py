"""Checkers of chapter I.3, *Linear scoring*."""

CHECKERS = {}
