"""The modules of the gRPC messages are what the compiler makes of their .proto."""

from pathlib import Path

from scripts.generate_grpc import ROOT, WRITTEN, write


def test_the_modules_are_what_python_m_scripts_generate_grpc_writes(tmp_path: Path) -> None:
    write(tmp_path)
    for path in WRITTEN:
        assert (ROOT / path).read_bytes() == (tmp_path / path).read_bytes(), "run python -m scripts.generate_grpc"
