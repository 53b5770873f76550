"""`driftline explain`: why an incident, as the running drift_detection tells it."""

from pathlib import Path
from typing import Annotated, Any

import typer

_INCIDENT = typer.Argument(metavar="INCIDENT", help="Its id, as in the event or in /v1/incidents.")
_STATE = typer.Option(envvar="DRIFTLINE_STATE", metavar="DIR", help="Folder that holds everything.")
_READY_FILE = typer.Option(help="Where `driftline up` wrote the addresses; default: ready.json in the state folder.")
_URL = typer.Option(
    envvar="DRIFTLINE_DRIFT_DETECTION_URL",
    help="Address of drift_detection, of any of its workers, instead of that file's.",
)
_JSON = typer.Option("--json", help="All of it as JSON.")


def explain(
    incident: Annotated[str, _INCIDENT],
    state: Annotated[Path, _STATE] = Path(".driftline"),
    ready_file: Annotated[Path | None, _READY_FILE] = None,
    url: Annotated[str | None, _URL] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Say which features of an incident changed how, since when, and in which slices of the rows."""
    import asyncio
    import json
    from urllib.parse import quote

    from cli.stack.readyfile import read_ready_file

    address = url or read_ready_file(ready_file, state, "services", "drift_detection")
    told = asyncio.run(_get(address, f"/v1/incidents/{quote(incident, safe='')}/explain", state))
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(told["lines"]))


async def _get(address: str, path: str, state: Path) -> dict[str, Any]:
    """The answer, with its `lines`; raises UserError."""
    import aiohttp

    from cli.demo.api import Api
    from cli.errors import UserError

    try:
        async with aiohttp.ClientSession() as session:
            told = await Api(session, {"drift_detection": address}, state).get("drift_detection", path)
    except KeyError as error:
        raise UserError(f"{state}/tokens holds no token of {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise UserError(f"drift_detection at {address} cannot be reached: {error or 'no answer'}") from error
    lines = told.get("lines") if isinstance(told, dict) else None
    if not (isinstance(lines, list) and all(isinstance(line, str) for line in lines)):
        raise UserError(f"what answers at {address} is no drift_detection: it tells no lines")
    return dict(told)
