"""``completion``: the script that teaches a shell to complete this program."""

import click
from click.shell_completion import get_completion_class

from discovery.cli import PROGRAM, cli, example
from discovery.cli.output import write

_EXAMPLES = (
    "completion bash > ~/.local/share/bash-completion/completions/tailnet-discovery",
    "completion zsh > ~/.zfunc/_tailnet-discovery",
    "completion fish > ~/.config/fish/completions/tailnet-discovery.fish",
)


@click.command(epilog=example(*_EXAMPLES))
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"Click knows no completion for {shell}.")
    variable = f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE"
    write(f"{kind(cli, {}, PROGRAM, variable).source()}\n")
