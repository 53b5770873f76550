"""The `driftline` command.

A command is a function in a module of its name, registered below by two lines. Such a module imports at its top
only what its options need (typer, pathlib); the rest is imported in the function, so that `--help` stays quick.
"""

import sys

import typer

from cli.demo.command import demo
from cli.dlq.command import dlq
from cli.errors import UserError, explain
from cli.explain import explain as explain_incident
from cli.forget import forget
from cli.log import log
from cli.options import Command
from cli.replay import replay
from cli.score import score
from cli.up import up

app = typer.Typer(
    help="Keeps machine-learning models right after they are deployed.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """Without this, typer would drop the name of a command that is alone."""


app.command(cls=Command)(up)
app.command(cls=Command)(demo)
app.command(cls=Command)(score)
app.command("explain", cls=Command)(explain_incident)
app.command(cls=Command)(replay)
app.command(cls=Command)(forget)
app.add_typer(log, name="log")
app.add_typer(dlq, name="dlq")


def main() -> None:
    """Runs the command; what a user can put right is one line on standard error and exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        _fail(str(error))
    except OSError as error:
        _fail(explain(error))


def _fail(line: str) -> None:
    print(f"driftline: {line}", file=sys.stderr)  # noqa: T201 it is the command's voice
    sys.exit(1)


if __name__ == "__main__":
    main()
