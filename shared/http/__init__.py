"""HTTP as every service speaks it: the app with its errors, health, metrics and tokens, and the server."""

from shared.http.app import create_app
from shared.http.auth import permits, require
from shared.http.connections import most_connections
from shared.http.health import Health
from shared.http.server import serve

__all__ = ["Health", "create_app", "most_connections", "permits", "require", "serve"]
