"""The exercises' checkers, one module a chapter.

A checker is a generator: given the reader's answer it yields pairs ``(passed, hint)``, easiest
property first. `llmrec_ref.check.check` stops at the first that does not hold and shows its hint.
"""

from llmrec_ref.exercises import chapter_1_1

CHECKERS = {**chapter_1_1.CHECKERS}
