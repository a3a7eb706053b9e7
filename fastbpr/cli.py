"""The `fastbpr` command: its entry, its commands, its exit codes. What each command does is in `fastbpr._commands`.

Results go to stdout, progress and notes to stderr. Exit codes: 0 done, 2 the user's mistake (one line on stderr), 130
interrupted, 141 the reader of stdout went away.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from fastbpr import _validation
from fastbpr._commands import demo, diagnose, evaluate, export, fit, recommend, similar, tune
from fastbpr._commands.printing import note, shown
from fastbpr._version import __version__
from fastbpr.errors import MissingExtraError, ModelFileError, TrainingError, UnknownLabelError

COMMANDS = (demo, fit, similar, recommend, evaluate, export, diagnose, tune)  # in the order of --help
MISTAKES = (OSError, MemoryError, MissingExtraError, ModelFileError, TrainingError, UnknownLabelError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str or None, default None
        Arguments after the command's name; None stands for those of the process.

    Raises
    ------
    SystemExit
        As argparse does: for ``--help``, ``--version`` and arguments that it cannot parse.

    Examples
    --------
    >>> main(["similar", "no-such-model.npz", "P0001"])  # with a line on stderr
    2
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a title may not fit the terminal's encoding
    arguments = build_parser().parse_args(argv)
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has had enough. Python would complain when it flushes stdout once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        note("fastbpr: interrupted")
        return 130
    except Exception as error:
        if not is_mistake(error):
            raise
        note(f"fastbpr: error: {shown(error)}")
        return 2
    return code


def is_mistake(error: Exception) -> bool:
    """Whether an error is the user's and not a bug: one of MISTAKES, or raised by a check of input."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return isinstance(error, MISTAKES) or frame.f_globals.get("__package__") == _validation.__name__


def build_parser() -> argparse.ArgumentParser:
    """Describe every command and its options."""
    parser = argparse.ArgumentParser(
        prog="fastbpr",
        description="Related items and recommendations from a log of views, clicks or purchases.",
        epilog="Start with `fastbpr demo`. `fastbpr COMMAND --help` explains a command, with examples.",
    )
    parser.add_argument("--version", action="version", version=f"fastbpr {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser
