"""A stand-in for a service: HTTP on DRIFTLINE_PORT, ready once it has been asked, ends on SIGTERM.

Arguments change how it behaves: `stubborn` ignores SIGTERM, `unready` never is ready, `dies` ends at once,
`spawns` starts a child of its own that outlives a careless end, `gate=FILE` is ready while that file is there.
"""

import http.server
import json
import os
import signal
import subprocess
import sys


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        gates = [argument.removeprefix("gate=") for argument in sys.argv if argument.startswith("gate=")]
        ready = self.path == "/ready" and "unready" not in sys.argv and all(map(os.path.exists, gates))
        self.send_response(200 if ready else 503)
        self.end_headers()
        keys = ("KAFKA_BOOTSTRAP", "DRIFTLINE_STATE", "DRIFTLINE_HOST", "DRIFTLINE_PORT", "DRIFTLINE_GRPC_PORT")
        self.wfile.write(json.dumps({"status": "warming up"} | {key: os.environ.get(key, "") for key in keys}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the log holds what `main` prints."""


def main() -> None:
    """Serves until SIGTERM."""
    print(json.dumps({"event": "hello", "pid": os.getpid()}), flush=True)
    if "dies" in sys.argv:
        print("no such table: flights", file=sys.stderr)
        sys.exit(3)
    if "spawns" in sys.argv:
        subprocess.Popen(["sleep", "600"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN if "stubborn" in sys.argv else lambda *_: sys.exit(0))
    address = (os.environ["DRIFTLINE_HOST"], int(os.environ["DRIFTLINE_PORT"]))
    http.server.ThreadingHTTPServer(address, _Handler).serve_forever()


if __name__ == "__main__":
    main()
