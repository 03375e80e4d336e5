"""Solutions and plausible wrong answers for the exercises of chapter I.3."""

SOLUTIONS = {}
WRONG = {}
