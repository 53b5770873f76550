"""Compile the kernel with the C compiler that comes as a Python package (requirements/compiler.lock).

    python shared/reference/kernel/build.py [--is-there]

The library is named after its source, the compiler's options and the kind of machine, so that one of others is never
loaded. It is for any processor of this architecture. With `--is-there` nothing is compiled; the exit code is 1 if it is
not there.
"""

import hashlib
import platform
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("count.c")
# Fused multiply-add would round a place other than numpy does, on some processors.
OPTIONS = ("-O3", "-mcpu=baseline", "-ffp-contract=off", "-shared", "-fPIC", "-nostdlib", "-s")


def library() -> Path:
    """Where the compiled kernel of this source is, or will be."""
    told = hashlib.sha256(SOURCE.read_bytes() + " ".join((*OPTIONS, sys.platform, platform.machine())).encode())
    return SOURCE.with_name(f"count-{told.hexdigest()[:12]}.so")


def build() -> None:
    """Compile, and remove what is of another source."""
    made = library().with_suffix(".part")
    subprocess.run([sys.executable, "-m", "ziglang", "cc", *OPTIONS, "-o", made, SOURCE], check=True)
    made.replace(library())
    for old in set(SOURCE.parent.glob("*.so")) - {library()}:
        old.unlink()


if __name__ == "__main__":
    if "--is-there" in sys.argv[1:]:
        sys.exit(not library().exists())
    build()
