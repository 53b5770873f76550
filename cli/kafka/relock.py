"""Renews `jgo.lock.toml` from `jgo.toml`: `python -m cli.kafka.relock`. Needs the network.

The lock is jgo's own format, less the time it was written: the same input gives the same file.
"""

import os
import tempfile
import tomllib
from pathlib import Path

from cli.kafka.lockfile import LOCK, ROOT, read_lock

_SPEC = "jgo.toml"


def lock_text(scratch: Path) -> str:
    """The new lock; jars and what jgo learns about them go to `scratch`."""
    import tomli_w
    from jgo.env import EnvironmentBuilder, EnvironmentSpec, LinkStrategy
    from jgo.maven import MavenContext, PythonResolver

    os.chdir(ROOT)  # jgo looks for jgo.toml there to note its hash
    context = MavenContext(resolver=PythonResolver(), repo_cache=scratch / "repository")
    builder = EnvironmentBuilder(context=context, cache_dir=scratch / "jgo", link_strategy=LinkStrategy.COPY)
    path = scratch / "jgo.lock.toml"
    builder.resolve_lockfile(EnvironmentSpec.load(_SPEC)).save(path)
    content = tomllib.loads(path.read_text("utf-8"))
    del content["metadata"]["generated"]
    return tomli_w.dumps(content)


def main() -> None:
    """Writes the lock, if what jgo resolved is a lock that we can read."""
    with tempfile.TemporaryDirectory() as scratch:
        new = Path(scratch) / "new.lock.toml"
        new.write_text(lock_text(Path(scratch)), "utf-8")
        read_lock(new)
        LOCK.write_text(new.read_text("utf-8"), "utf-8")


if __name__ == "__main__":
    main()
