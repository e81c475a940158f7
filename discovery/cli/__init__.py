"""The command line: thin commands that parse, call and print.

Only click is imported here. A command's module is imported when the command runs, so that help and
completion, which is asked for at every press of the tab key, answer at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from click.shell_completion import CompletionItem

from discovery import __version__
from discovery.cli.errors import OutputClosedError

if TYPE_CHECKING:
    from discovery.settings import Loaded, Settings

PROGRAM: Final = "tailnet-discovery"
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
LOG_FORMATS: Final = ("console", "json")


class LazyCommand(NamedTuple):
    """Where a command is, and what the overview says of it."""

    module: str
    attribute: str
    help: str


def _command(name: str, help_line: str) -> tuple[str, LazyCommand]:
    word = name.replace("-", "_")
    return name, LazyCommand(f"discovery.cli.{word}", word, help_line)


COMMANDS: Final = dict(
    (
        _command("init", "Look at a tailnet, propose a configuration and a first resource."),
        _command("run", "Run the controller."),
        _command("sync", "Make one pass, then exit."),
        _command("plan", "Show what a pass would do."),
        _command("devices", "List the tailnet's devices, their tags and what excludes them."),
        _command("explain", "Say why a device is, or is not, an endpoint."),
        _command("approve", "Let a removal go that waits."),
        _command("replay", "Make recorded decisions again, offline."),
        _command("support-bundle", "Write what run and sync have recorded into one file."),
        _command("validate", "Check manifests and name every error."),
        _command("doctor", "Say what hinders this place from doing its work."),
        _command("simulate", "Serve the Tailscale API on loopback, for tests and try-outs."),
        _command("crd", "Print the CustomResourceDefinition."),
        _command("config", "Print the effective settings and where each comes from."),
        _command("completion", "Print the completion script of a shell."),
    )
)


@dataclass
class Frame:
    """What the options before the command said; every command gets it from :data:`pass_frame`."""

    config: Path | None = None
    debug: bool = False
    _flags: list[tuple[tuple[str, ...], str, str]] = field(default_factory=list)
    _loaded: "Loaded | None" = None

    def flag(self, path: tuple[str, ...], value: str | None, name: str) -> None:
        """Let the flag ``name`` set the key at ``path``; None means that it was not given."""
        if value is not None:
            self._flags.append((path, value, name))
            self._loaded = None

    def loaded(self) -> "Loaded":
        """Return the settings with their origins; warnings go to stderr, once."""
        if self._loaded is None:
            from discovery.settings import Override, load  # noqa: PLC0415 - slow to import

            self._loaded = load(self.config, flags=[Override(*flag) for flag in self._flags])
            for warning in self._loaded.warnings:
                click.echo(f"warning: {warning}", err=True)
        return self._loaded

    def settings(self) -> "Settings":
        """Return the effective settings; raises ConfigError."""
        return self.loaded().settings


pass_frame: Final = click.make_pass_decorator(Frame)


def example(*commands: str) -> str:
    """Return the epilog that shows how a command is used, one line per example."""
    lines = "\n".join(f"  {PROGRAM} {command}" for command in commands)
    return f"\b\n{'Example' if len(commands) == 1 else 'Examples'}:\n{lines}"


class LazyGroup(click.Group):
    """A group that knows its commands by a table and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the commands' names, in the order in which they are met."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command = getattr(import_module(entry.module), entry.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{entry.module}.{entry.attribute} is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name, or say which one was probably meant."""
        name = args[0]
        if name in COMMANDS or ctx.resilient_parsing or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches  # noqa: PLC0415 - for this error only

        meant = get_close_matches(name, COMMANDS, n=1)
        hint = f" Did you mean {meant[0]}?" if meant else ""
        raise click.UsageError(f"No such command {name!r}.{hint}", ctx=ctx)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the overview from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name from the table, or an option."""
        commands = [
            CompletionItem(name, help=entry.help)
            for name, entry in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return commands + click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; nobody to read its output is an end of its own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as exc:
            # Click would end with 1, which means "there is something" here.
            raise OutputClosedError from exc


def _global_options(command: Callable[..., None]) -> Callable[..., None]:
    file = click.Path(dir_okay=False, path_type=Path)
    for option in (
        click.version_option(__version__, "--version", message=f"{PROGRAM} %(version)s"),
        click.option("--debug", is_flag=True, help="Add the traceback to an error."),
        click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Form of log lines."),
        click.option("--log-level", type=click.Choice(LOG_LEVELS), help="Least severe log lines."),
        click.option("--config", type=file, help="Configuration file (YAML)."),
    ):
        command = option(command)
    return command


@click.group(
    cls=LazyGroup,
    epilog=example("devices -l env=production", "plan -f my-resource.yaml"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@_global_options
@click.pass_context
def cli(
    ctx: click.Context,
    config: Path | None,
    log_level: str | None,
    log_format: str | None,
    *,
    debug: bool,
) -> None:
    """Tags on a Tailscale network become live backends in Kubernetes."""
    frame = ctx.ensure_object(Frame)
    frame.config = config
    frame.debug = debug
    frame.flag(("logging", "level"), log_level, "--log-level")
    frame.flag(("logging", "format"), log_format, "--log-format")
