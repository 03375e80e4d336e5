"""Solutions and plausible wrong answers for the exercises of chapter I.2."""

SOLUTIONS = {}
WRONG = {}
