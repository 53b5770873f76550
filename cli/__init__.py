"""The `driftline` command: the local stack and the demo; every other command speaks to a service's HTTP API."""
