"""`driftline dlq`: what could not be read, and sending it again."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Command

dlq = typer.Typer(help="The dead-letters: what could not be read.", no_args_is_help=True)

_LETTER = typer.Argument(metavar="[LETTER]", help="One of them, as PARTITION/OFFSET, or OFFSET: all of it.")
_LETTERS = typer.Argument(metavar="[LETTER]...", help="These; without any, all that the options choose.")
_TOPIC = typer.Option(help="Only those from this topic.")
_REASON = typer.Option(help="Only those with this text in their reason.")
_LIMIT = typer.Option(min=1, help="The newest so many.")
_BYTES = typer.Option("--bytes", min=0, help="Of a value that is no JSON, so many are shown.")
_OUT = typer.Option("--out", help="A file for the value's bytes, to be mended.")
_FILE = typer.Option("--file", help="Send these bytes in the place of the original ones.")
_HEADER = typer.Option("--header", metavar="NAME=VALUE", help="Send this header in the place of that of its name.")
_ALL = typer.Option("--all", help="All there are, if nothing chooses some.")
_YES = typer.Option("--yes", help="Do it; without, it is only said what would be done.")
_JSON = typer.Option("--json", help="A line of JSON for each.")
_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")
_READY_FILE = typer.Option(help="Where `driftline up` wrote the addresses; default: ready.json in the state folder.")
_BOOTSTRAP = typer.Option(envvar="KAFKA_BOOTSTRAP", metavar="HOST:PORT", help="A broker, instead of that file's.")


@dlq.command(cls=Command)
def show(  # noqa: PLR0913, PLR0917  # its options
    letter: Annotated[str | None, _LETTER] = None,
    topic: Annotated[str | None, _TOPIC] = None,
    reason: Annotated[str | None, _REASON] = None,
    limit: Annotated[int, _LIMIT] = 50,
    most: Annotated[int, _BYTES] = 512,
    out: Annotated[Path | None, _OUT] = None,
    as_json: Annotated[bool, _JSON] = False,
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    bootstrap: Annotated[str | None, _BOOTSTRAP] = None,
) -> None:
    """List dead-letters, the newest last: where each came from, its size, whose it is, why; or show one."""
    from cli.dlq.run import list_letters, on_kafka, show_letter

    kafka = _kafka(bootstrap, ready_file, state)
    if letter is None:
        lines = on_kafka(list_letters(kafka, topic, reason, limit, as_json=as_json))
    else:
        lines, value = on_kafka(show_letter(kafka, letter, most))
        if out is not None:
            out.write_bytes(value)
    for line in lines:
        typer.echo(line)


@dlq.command(cls=Command)
def replay(  # noqa: PLR0913, PLR0917  # its options
    letters: Annotated[list[str] | None, _LETTERS] = None,
    topic: Annotated[str | None, _TOPIC] = None,
    reason: Annotated[str | None, _REASON] = None,
    file: Annotated[Path | None, _FILE] = None,
    headers: Annotated[list[str] | None, _HEADER] = None,
    everything: Annotated[bool, _ALL] = False,
    yes: Annotated[bool, _YES] = False,
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    bootstrap: Annotated[str | None, _BOOTSTRAP] = None,
) -> None:
    """Send dead-letters to where they came from, each once, as they were or mended; ends with 1 if any is left."""
    from cli.dlq.run import on_kafka, replay_letters
    from cli.errors import UserError

    if not (letters or topic or reason or everything):
        raise UserError("say which: a LETTER, --topic, --reason or --all")
    if file is not None and len(letters or []) != 1:
        raise UserError("--file is for one LETTER")
    mended = None if file is None else file.read_bytes()
    pairs = [_header(text) for text in headers or []]
    wanted = replay_letters(
        _kafka(bootstrap, ready_file, state), (letters or [], topic, reason), (mended, dict(pairs)), really=yes
    )
    lines, left = on_kafka(wanted)
    for line in lines:
        typer.echo(line)
    raise typer.Exit(1 if left else 0)


def _kafka(bootstrap: str | None, ready_file: Path | None, state: Path) -> str:
    from cli.kafka.ready import check_address
    from cli.stack.readyfile import read_ready_file

    address = bootstrap or read_ready_file(ready_file, state, "kafka")
    check_address(address)
    return address


def _header(text: str) -> tuple[str, bytes]:
    from cli.errors import UserError

    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UserError(f"--header {text}: must be NAME=VALUE")
    return name, value.encode()
