"""HTTP as every service speaks it: the app with its errors, health, metrics and tokens, and the server."""

from shared.http.app import create_app
from shared.http.auth import require
from shared.http.health import Health
from shared.http.server import serve

__all__ = ["Health", "create_app", "require", "serve"]
