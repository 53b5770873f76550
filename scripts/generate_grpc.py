"""Write the modules of the gRPC messages from their .proto: `python -m scripts.generate_grpc`.

They are committed, so that neither a fresh clone nor an image needs the compiler.
"""

from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).parents[1]
PROTO = Path("services/inference/api/grpc/open_inference.proto")
WRITTEN = tuple(PROTO.with_name(f"{PROTO.stem}_pb2{suffix}") for suffix in (".py", ".pyi"))


def write(folder: Path) -> None:
    """Write the modules below `folder`, at the paths that they have in this repository.

    Raises:
        ValueError: the compiler refuses the .proto; it has said why.
    """
    options = (f"--proto_path={ROOT}", f"--python_out={folder}", f"--pyi_out={folder}")
    if protoc.main(["protoc", *options, str(PROTO)]):
        raise ValueError(f"{PROTO} can't be compiled")


if __name__ == "__main__":
    write(ROOT)
