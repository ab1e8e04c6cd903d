"""`mandat completion`."""

import click


@click.command(
    epilog="""\b
Examples:
  eval "$(mandat completion bash)"
  mandat completion zsh > ~/.zfunc/_mandat
  mandat completion fish > ~/.config/fish/completions/mandat.fish
"""
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the three are click's own
    click.echo(kind(context.find_root().command, {}, "mandat", "_MANDAT_COMPLETE").source())
