"""The compiled kernel is that of the source beside it, or it is not used."""

import shutil
import subprocess
import sys
from pathlib import Path

from shared.reference.kernel import build


def is_there(folder: Path) -> bool:
    return subprocess.run([sys.executable, folder / "build.py", "--is-there"], check=False).returncode == 0


def test_a_kernel_of_another_source_is_not_there(tmp_path: Path) -> None:
    folder = tmp_path / "kernel"
    shutil.copytree(build.SOURCE.parent, folder)
    assert is_there(folder)
    (folder / "count.c").write_text((folder / "count.c").read_text() + "/* changed */\n")
    assert not is_there(folder)


def test_without_its_kernel_the_import_says_how_to_make_it(tmp_path: Path) -> None:
    folder = tmp_path / "shared" / "reference" / "kernel"
    shutil.copytree(build.SOURCE.parent, folder, ignore=shutil.ignore_patterns("*.so"))
    for above in (folder.parent, folder.parent.parent):
        (above / "__init__.py").touch()
    command = [sys.executable, "-c", "import shared.reference.kernel"]
    found = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert ".so is not there: run `make install`" in found.stderr
