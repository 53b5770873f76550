"""How the JVM is called: with an archive of a program's classes where there is one."""

from pathlib import Path

from cli.kafka.java import BROKER, TOOL, archive_path, java_argv, new


def test_an_archive_is_used_where_it_is_there_and_of_the_same_jars(tmp_path: Path) -> None:
    jars = [tmp_path / "a-1.jar", tmp_path / "b-1.jar"]
    archive = archive_path(jars, BROKER)
    plain = java_argv(jars, ("-Xmx1m",), tmp_path, BROKER, "one")
    assert plain[-4:] == ("-cp", f"{jars[0]}:{jars[1]}", BROKER, "one")
    assert java_argv(jars, ("-Xmx1m",), tmp_path, BROKER, "one", learn=True)[2] == f"-XX:AOTCacheOutput={new(archive)}"
    archive.touch()
    assert java_argv(jars, ("-Xmx1m",), tmp_path, BROKER, "one")[2] == f"-XX:AOTCache={archive}"
    others = [tmp_path / "a-2.jar", jars[1]]
    for argv in (java_argv(jars, (), tmp_path, TOOL), java_argv(others, (), tmp_path, BROKER)):
        assert not [option for option in argv if option.startswith("-XX:AOT")]
