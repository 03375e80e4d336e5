"""``python -m llmrec_ref``: runs a command; what goes wrong ends in one line."""

import json
import signal
import sys
import threading
from contextlib import contextmanager


def main(arguments=None):
    """Run one command and print a table, or with ``--json`` one JSON object.

    What it reads, how it tests and where it stands go to stderr meanwhile, and so does the one line
    in which an error or an interruption ends. With ``--debug`` an error keeps its traceback.

    Args:
        arguments: List of words; default: those of the command line.

    Returns:
        int: 0; 1 after an error that nobody foresaw; 2 after one that was; 130 after Ctrl-C and 143
        after SIGTERM.
    """
    args, line, code = None, None, 0
    with _stoppable() as signals:
        try:
            from llmrec_ref.command_line import parse  # takes a second, in which Ctrl-C may come

            args = parse(arguments)
            _show(*args.command(args), args.json)
        except BaseException as error:
            if signals:  # TensorFlow may have made another error of it
                line, code = f"stopped{getattr(args, 'way_on', lambda: '')()}", 128 + signals[0]
            elif not isinstance(error, Exception) or getattr(args, "debug", False):
                raise
            else:
                line, code = _explain(error)
    if line:  # after the exception is gone, and the progress bars with it
        print(line, file=sys.stderr)
    return code


def _explain(error):
    """Return the line in which an error ends, and the exit code."""
    from llmrec_ref.commands import Refusal

    if isinstance(error, Refusal):
        return f"error: {error}", 2
    what = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"error: a bug in llmrec_ref; add --debug to see where, and report it ({what})", 1


def _show(table, facts, as_json):
    if as_json:
        print(json.dumps(facts | {"rows": table.to_dict("records")}, default=lambda value: value.item()))
    else:
        print(table.to_string(index=False, float_format="{:.4f}".format))
        for name, value in facts.items():
            print(f"{name}: {value}")


@contextmanager
def _stoppable():
    """Let Ctrl-C and SIGTERM raise KeyboardInterrupt; yield a list of those that came."""
    came = []

    def stop(number, frame):
        came.append(number)
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread():
        numbers = ()  # only the main thread may set handlers
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
