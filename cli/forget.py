"""`driftline forget`: an entity's data removed from the feature log, by the running feature_logging."""

from pathlib import Path
from typing import Annotated, Any

import typer

_ENTITY = typer.Argument(metavar="ENTITY", help="As it stands in requests.")
_MODEL = typer.Option("--model", help="In this model's tables alone; default: in all.")
_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")
_READY_FILE = typer.Option(help="Where `driftline up` wrote the addresses; default: ready.json in the state folder.")
_URL = typer.Option(envvar="DRIFTLINE_FEATURE_LOGGING_URL", help="Address of feature_logging, instead of that file's.")
_YES = typer.Option("--yes", help="Do not ask.")


def forget(  # noqa: PLR0913, PLR0917  # its options
    entity: Annotated[str, _ENTITY],
    model: Annotated[str | None, _MODEL] = None,
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    url: Annotated[str | None, _URL] = None,
    yes: Annotated[bool, _YES] = False,
) -> None:
    """Remove an entity's data from the feature log, for good, and print what was done as JSON."""
    import asyncio
    import json

    from cli.stack.readyfile import read_ready_file

    address = url or read_ready_file(ready_file, state, "services", "feature_logging")
    if not yes:
        where = f"the tables of {model}" if model is not None else "all tables"
        typer.confirm(f"Remove all data of {entity} from {where}? It can't be brought back.", abort=True, err=True)
    body = {"entity": entity} | ({} if model is None else {"model": model})
    typer.echo(json.dumps(asyncio.run(_post(address, body, state)), indent=2))


async def _post(address: str, body: dict[str, str], state: Path) -> dict[str, Any]:
    """What was done; raises UserError."""
    import aiohttp

    from cli.demo.api import Api
    from cli.errors import UserError

    try:
        timeout = aiohttp.ClientTimeout(total=None)  # it reads all tables
        async with aiohttp.ClientSession(timeout=timeout) as session:
            api = Api(session, {"feature_logging": address}, state)
            told = await api.post("feature_logging", "/v1/forget", body, "admin")
    except KeyError as error:
        raise UserError(f"{state}/tokens holds no token of {error}") from error
    except aiohttp.ClientError as error:
        raise UserError(f"feature_logging at {address} cannot be reached: {error}") from error
    if not (isinstance(told, dict) and "tables" in told):
        raise UserError(f"what answers at {address} is no feature_logging: it tells no tables")
    return told
