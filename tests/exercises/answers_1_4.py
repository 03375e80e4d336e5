"""Solutions and plausible wrong answers for the exercises of chapter I.4."""

SOLUTIONS = {}
WRONG = {}
