"""Checkers of chapter I.4, *Ranking and its measurement*."""

CHECKERS = {}
