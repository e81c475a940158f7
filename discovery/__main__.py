"""The program's entry: runs the command line and turns its end into an exit code."""

import os
import sys
from collections.abc import Sequence

from discovery.cli import PROGRAM, Frame, cli
from discovery.cli.errors import ExitCode, OutputClosedError, report


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every failure is said on stderr."""
    frame = Frame()
    try:
        result = cli.main(list(arguments), prog_name=PROGRAM, standalone_mode=False, obj=frame)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - the last one who can say it
        if isinstance(exc, OutputClosedError | BrokenPipeError):
            _discard_output()
        return report(exc, debug=frame.debug)
    return result if isinstance(result, int) else ExitCode.DONE


def _discard_output() -> None:
    """Let the interpreter's own flush at exit succeed, which would complain otherwise."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
