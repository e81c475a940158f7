"""How a command fails: one line for people, one exit code for scripts.

The modules that raise the exceptions are not imported here: a class can only arrive once somebody
has imported its module.
"""

import sys
import traceback
from enum import IntEnum
from pathlib import Path
from typing import Final

import click

_PACKAGE: Final = Path(__file__).parent.parent


class ExitCode(IntEnum):
    """What the program's exit code means."""

    DONE = 0
    FOUND = 1
    """There is something: changes, invalid documents, failing probes."""
    USAGE = 2
    CONFIGURATION = 3
    """The configuration, or a file that was named, can not be used."""
    REFUSED = 4
    """Credentials are missing, refused, or lack a permission."""
    UNREACHABLE = 5
    """The control plane or the cluster can not be reached, or answers with something else."""
    PARTLY = 6
    """Some of it is done, some could not be."""
    INTERNAL = 70
    """A defect of the program (``EX_SOFTWARE`` of sysexits.h)."""
    INTERRUPTED = 130
    """Ended by Ctrl-C, as shells count it."""
    CLOSED = 141
    """Whoever read stdout went away, as shells count it."""


class CommandError(Exception):
    """A command can not do what it was asked to: ``WHAT (WHERE). WHAT TO DO``."""

    def __init__(
        self,
        what: str,
        where: str,
        advice: str,
        *,
        exit_code: ExitCode = ExitCode.CONFIGURATION,
    ) -> None:
        super().__init__(f"{what} ({where}). {advice}")
        self.exit_code = exit_code


class OutputClosedError(Exception):
    """Nobody reads stdout any more; there is nobody to tell either."""


Failure = tuple[tuple[str, ...], ExitCode]


def failure_of(error: BaseException) -> Failure:
    """Return the lines and the exit code that an exception ends the program with."""
    if isinstance(error, BaseExceptionGroup):
        failures = [failure_of(inner) for inner in error.exceptions]
        return next((f for f in failures if f[1] is not ExitCode.INTERNAL), failures[0])
    if isinstance(error, OutputClosedError | BrokenPipeError):
        return (), ExitCode.CLOSED
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return (), ExitCode.INTERRUPTED
    if isinstance(error, CommandError):
        return (str(error),), error.exit_code
    if isinstance(error, click.ClickException):
        return _of_click(error)
    return (
        _of_configuration(error)
        or _of_store(error)
        or _of_lease(error)
        or _of_api(error)
        or _of_file(error)
        or _unexpected(error)
    )


def report(error: BaseException, *, debug: bool) -> ExitCode:
    """Say on stderr what went wrong, with the traceback if wanted; return the exit code."""
    lines, code = failure_of(error)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return code
    if debug:
        traceback.print_exception(error)
    for line in lines:
        click.echo(f"error: {line}", err=True)
    return code


def _of_click(error: click.ClickException) -> Failure:
    message = " ".join(error.format_message().split())
    if not isinstance(error, click.UsageError):
        # Click's default is 1, which means "there is something" here.
        code = error.exit_code if error.exit_code > ExitCode.FOUND else ExitCode.CONFIGURATION
        return (message,), ExitCode(code)
    command = error.ctx.command_path if error.ctx is not None else "tailnet-discovery"
    return (f"{message} Try '{command} --help'.",), ExitCode.USAGE


def _of_configuration(error: BaseException) -> Failure | None:
    if not _is_a(error, "discovery.settings.errors", "ConfigError"):
        return None
    return tuple(str(error).splitlines()), ExitCode.CONFIGURATION


def _of_store(error: BaseException) -> Failure | None:
    if not _is_a(error, "discovery.stores", "StoreError"):
        return None
    # A cluster that refuses a write says more by its own error.
    behind = _of_api(error.__cause__) if error.__cause__ else None
    return (str(error),), behind[1] if behind else ExitCode.CONFIGURATION


def _of_lease(error: BaseException) -> Failure | None:
    if not _is_a(error, "discovery.clients.kube.lease", "LeadershipLostError"):
        return None
    advice = "Nothing more is written here; start it again."
    return (f"{error}. {advice}",), ExitCode.UNREACHABLE


def _of_api(error: BaseException) -> Failure | None:
    module = "discovery.clients.errors"
    if not _is_a(error, module, "APIError"):
        return None
    if _is_a(error, "discovery.clients.kube.errors", "NotServedError"):
        advice = "Is the CRD installed? `tailnet-discovery crd | kubectl apply --server-side -f -`"
        return (f"the cluster does not know this kind: {error}. {advice}",), ExitCode.UNREACHABLE
    if _is_a(error, module, "AuthError"):
        return (str(error),), ExitCode.REFUSED
    if _is_a(error, module, "InventoryError"):
        return (str(error),), ExitCode.CONFIGURATION
    return (str(error),), ExitCode.UNREACHABLE


def _of_file(error: BaseException) -> Failure | None:
    if not isinstance(error, OSError) or error.filename is None:
        return None
    advice = "Check that it is there and that you may use it."
    return (f"{error.strerror} ({error.filename}). {advice}",), ExitCode.CONFIGURATION


def _unexpected(error: BaseException) -> Failure:
    # The exception's own text is left to --debug: nobody knows what it quotes.
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    place = next(reversed(ours or frames), None)
    where = f"{Path(place.filename).name}:{place.lineno}" if place else "unknown place"
    advice = "This is a defect: run again with --debug before the command, and report it."
    return (f"unexpected {type(error).__name__} ({where}). {advice}",), ExitCode.INTERNAL


def _is_a(error: BaseException, module: str, name: str) -> bool:
    known: Final = getattr(sys.modules.get(module), name, None)
    return isinstance(known, type) and isinstance(error, known)
