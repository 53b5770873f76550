import subprocess
from pathlib import Path

from services.retrain_trigger.pipeline.origin import code_commit, environment


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_the_commit_is_that_of_the_checkout_and_says_when_files_differ(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a").write_text("1")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert code_commit("unknown", tmp_path) == head
    (tmp_path / "untracked").write_text("2")
    assert code_commit("unknown", tmp_path) == head
    (tmp_path / "a").write_text("2")
    assert code_commit("unknown", tmp_path) == f"{head}-dirty"


def test_without_a_checkout_the_commit_is_what_the_environment_says(tmp_path: Path) -> None:
    assert code_commit("0123abc", tmp_path) == "0123abc"
    (tmp_path / ".git").mkdir()
    assert code_commit("unknown", tmp_path) == "unknown"


def test_the_environment_is_the_lock_files_hash_or_that_of_what_is_installed(tmp_path: Path) -> None:
    lock = tmp_path / "service.lock"
    installed = environment(lock)
    assert installed == environment(lock)
    lock.write_text("numpy==2.0\n")
    one = environment(lock)
    lock.write_text("numpy==2.1\n")
    assert len({installed, one, environment(lock)}) == 3
