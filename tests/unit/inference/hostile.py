"""Hand-made hostile graphs: name → file, and what the refusal says."""

from tests.unit.inference.onnx_writer import (
    GOOD,
    INT64,
    ONE,
    STRING,
    attribute,
    external,
    field,
    fields,
    graph,
    model,
    node,
    regression,
    shaped,
    summing,
    tensor,
)

SECRET = "secret.bin"
MUCH = 10_000_000_000
RANGE = (0.0, 1e10, 1.0)
_TIME, _MEMORY, _RUNS = r"within \d+ s", "MB of memory", "can run|ended by"
_FEATURES, _PREDICTION = shaped("features", ["n", 3]), shaped("prediction", ["n", 1])


def _sizes(operator: str, inputs: list[str], *tensors: bytes, attributes: tuple[bytes, ...] = ()) -> bytes:
    """A graph whose operator makes a huge tensor, which is summed up into each row's prediction."""
    huge = node(operator, inputs, ["huge"], *attributes)
    total = node("ReduceSum", ["huge"], ["total"], attribute("keepdims", 0))
    spread = node("Add", ["sum", "total"], ["prediction"])
    rows = node("ReduceSum", ["features", "one"], ["sum"], attribute("keepdims", 1))
    return regression(huge, total, rows, spread, tensors=[ONE, *tensors])


def _put(*nodes: bytes, tensors: tuple[bytes, ...] = ()) -> bytes:
    return regression(*nodes, tensors=[ONE, *tensors])


def _takes(*inputs: bytes) -> bytes:
    return model(graph([summing()], [ONE], inputs))


def _gives(*outputs: bytes, nodes: tuple[bytes, ...] = ()) -> bytes:
    return model(graph([summing(), *nodes], [ONE], [_FEATURES], outputs))


def _loop(trips: int) -> bytes:
    kept = [shaped("i", [], INT64), shaped("c", [], 9), shaped("x", ["n", 3])]
    body = graph(
        [node("Identity", ["c"], ["c2"]), node("Identity", ["x"], ["x2"])],
        [],
        kept,
        [shaped("c2", [], 9), shaped("x2", ["n", 3])],
    )
    turning = node("Loop", ["trips", "", "features"], ["turned"], attribute("body", body, 6))
    return _put(turning, summing("turned"), tensors=(tensor("trips", [trips], []),))


def _branches(inner: bytes) -> bytes:
    then = graph([inner, node("Identity", ["features"], ["a"])], [], [], [shaped("a", ["n", 3])])
    other = graph([node("Identity", ["features"], ["b"])], [], [], [shaped("b", ["n", 3])])
    chosen = node("If", ["yes"], ["f"], attribute("then_branch", then, 6), attribute("else_branch", other, 6))
    yes = fields(1, []) + field(2, 9) + field(8, "yes") + field(9, b"\x01")
    return _put(chosen, summing("f"), tensors=(yes,))


def _squares(count: int, side: int) -> bytes:
    """Products of large matrices one after another."""
    made = node("ConstantOfShape", ["side"], ["m0"])
    products = [node("MatMul", [f"m{i}", f"m{i}"], [f"m{i + 1}"]) for i in range(count)]
    total = node("ReduceSum", [f"m{count}"], ["total"], attribute("keepdims", 0))
    rows = node("ReduceSum", ["features", "one"], ["sum"], attribute("keepdims", 1))
    return _put(
        made,
        *products,
        total,
        rows,
        node("Add", ["sum", "total"], ["prediction"]),
        tensors=(tensor("side", [side] * 2),),
    )


def _tree(true: list[int], false: list[int]) -> bytes:
    """A tree ensemble of one tree whose last node is the leaf."""
    last = len(true) - 1
    nodes = {"treeids": [0] * (last + 1), "nodeids": [*range(last + 1)], "featureids": [0] * (last + 1)}
    modes = field(1, "nodes_modes") + fields(9, ["BRANCH_LEQ"] * last + ["LEAF"]) + field(20, 8)
    return regression(
        node(
            "TreeEnsembleRegressor",
            ["features"],
            ["prediction"],
            *(attribute(f"nodes_{name}", values) for name, values in nodes.items()),
            attribute("nodes_truenodeids", true),
            attribute("nodes_falsenodeids", false),
            modes,
            field(1, "nodes_values") + b"".join(b"\x3d" + b"\x00" * 4 for _ in true) + field(20, 6),
            attribute("n_targets", 1),
            *(attribute(f"target_{name}", [value]) for name, value in (("treeids", 0), ("nodeids", last), ("ids", 0))),
            field(1, "target_weights") + b"\x3d" + b"\x00" * 4 + field(20, 6),
            domain="ai.onnx.ml",
        )
    )


def divided(kind: int, *tensors: bytes) -> bytes:
    """Rows as numbers of this kind, divided by themselves, or by the tensor `i`."""
    cast = node("Cast", ["features"], ["k" if tensors else "i"], attribute("to", kind))
    divided = node("Div", ["k" if tensors else "i", "i"], ["q"])
    return _put(cast, divided, node("Cast", ["q"], ["x"], attribute("to", 1)), summing("x"), tensors=tensors)


def _quadratic() -> bytes:
    """[n, n, n] elements for n rows: harmless for three."""
    return _put(
        node("ReduceSum", ["features", "one"], ["s"], attribute("keepdims", 0)),
        node("Unsqueeze", ["s", "one"], ["a"]),
        node("Unsqueeze", ["a", "one"], ["b"]),
        node("Add", ["a", "s"], ["c"]),
        node("Add", ["b", "c"], ["d"]),
        node("ReduceSum", ["d"], ["e"], attribute("keepdims", 0)),
        node("Add", ["a", "e"], ["prediction"]),
    )


_SEQUENCE = field(1, "s") + field(2, field(4, field(1, field(1, field(1, 1)))))
_MAP = field(1, "m") + field(2, field(5, field(1, INT64) + field(2, field(1, field(1, 1)))))

HOSTILE: dict[str, tuple[bytes, str]] = {
    # Files outside
    "external data": (
        _put(node("Mul", ["features", "w"], ["x"]), summing("x"), tensors=(external(SECRET),)),
        "external",
    ),
    "external data, absolute": (regression(summing(), tensors=[external("/etc/passwd")]), "no external data"),
    "external data, upwards": (regression(summing(), tensors=[external("../" * 9 + "etc/passwd")]), "no external data"),
    "external data in a constant": (
        _put(node("Constant", [], ["w"], attribute("value", external(SECRET))), summing()),
        "no external data",
    ),
    "external data in a branch": (
        _branches(node("Constant", [], ["w"], attribute("value", external(SECRET)))),
        "no external data",
    ),
    # Operators
    "domain of ONNX Runtime": (_put(node("Gelu", ["features"], ["x"], domain="com.microsoft"), summing("x")), "domain"),
    "unknown domain": (_put(node("Shell", ["features"], ["x"], domain="evil"), summing("x")), "domain 'evil'"),
    "training": (_put(node("Adam", [], [], domain="ai.onnx.preview.training"), summing()), "domain 'ai.onnx.preview"),
    "unknown operator": (_put(node("Shell", ["features"], ["x"]), summing("x")), "'Shell' is not among"),
    "operator of the other domain": (_put(node("Relu", ["features"], ["x"], domain="ai.onnx.ml")), "'Relu' is not"),
    "endless loop": (_loop(2**62), "'Loop' is not among"),
    "endless loop in a branch": (_branches(node("Loop", ["trips", "", "features"], ["x"])), "'Loop' is not among"),
    "scan": (_put(node("Scan", ["features"], ["x"]), summing("x")), "'Scan' is not among"),
    "map over a sequence": (_put(node("SequenceMap", ["features"], ["x"]), summing("x")), "'SequenceMap' is not"),
    "chance": (_put(node("RandomUniformLike", ["features"], ["x"]), summing("x")), "'RandomUniformLike' is not"),
    "image": (_put(node("ImageDecoder", ["features"], ["x"]), summing("x")), "'ImageDecoder' is not among"),
    "function that hides an operator": (
        model(graph([summing()], [ONE]), field(25, field(1, "Hidden") + field(7, node("Loop", [], [])))),
        "no functions",
    ),
    # Sizes and times
    "40 GB of a constant": (_sizes("ConstantOfShape", ["far"], tensor("far", [MUCH])), _MEMORY),
    "expanded": (_sizes("Expand", ["features", "far"], tensor("far", [MUCH, 1, 3])), f"{_MEMORY}|{_RUNS}"),
    "tiled": (_sizes("Tile", ["features", "far"], tensor("far", [300_000_000, 1])), _MEMORY),
    "range": (
        _sizes("Range", ["a", "z", "d"], *(tensor(n, [v], []) for n, v in zip("azd", RANGE, strict=True))),
        _MEMORY,
    ),
    "resized": (_sizes("Resize", ["features", "", "far"], tensor("far", [1e5, 1e5])), f"{_MEMORY}|{_RUNS}"),
    "padded": (_sizes("Pad", ["features", "far"], tensor("far", [0, 0, MUCH, 0])), _MEMORY),
    "one-hot": (
        _sizes("OneHot", ["at", "far", "v"], tensor("at", [1]), tensor("far", [MUCH]), tensor("v", [0.0, 1.0])),
        _MEMORY,
    ),
    "tensor larger than its data": (_put(summing(), tensors=(tensor("w", [1.0], [2**20, 2**20]),)), "elements"),
    "tensor of a negative length": (_put(summing(), tensors=(tensor("w", [1.0], [-5]),)), "elements"),
    "sparse tensor": (model(graph([summing()], [ONE]) + field(15, field(3, MUCH))), "dense tensors"),
    "sparse constant": (_put(node("Constant", [], ["w"], attribute("sparse_value", field(3, MUCH), 22))), "dense"),
    "too many nodes": (_put(*[node("Relu", ["features"], ["x"])] * 60_000), "at most 50000 nodes"),
    "too many tensors": (regression(summing(), tensors=[ONE] * 60_000), "at most 50000 tensors"),
    "branch without branches": (_branches(node("If", [], [])), _RUNS),
    "long products": (_squares(400, 3_000), _TIME),
    "rows by rows by rows": (_quadratic(), f"{_MEMORY}|{_TIME}"),
    "tree that leads to itself": (_tree([0, 0], [1, 0]), f"{_RUNS}|{_TIME}"),
    "tree that turns": (_tree([1, 0, 0], [2, 2, 0]), f"{_RUNS}|{_TIME}"),
    # No graph of a bundle
    "nothing": (b"", "can run|one input"),
    "zeros": (bytes(1_000), "an ONNX protobuf"),
    "text": (b"import os; os.system('id')", "an ONNX protobuf"),
    "cut": (GOOD[:-7], "an ONNX protobuf"),
    "own format of ONNX Runtime": (b"\x1c\x00\x00\x00ORTM" + bytes(100), "own format"),
    "no graph": (model(b""), "can run"),
    "circle": (_put(node("Relu", ["y"], ["x"]), node("Relu", ["x"], ["y"]), summing("x")), _RUNS),
    "divides integers": (divided(INT64), "division of floating-point numbers alone; 'i' is tensor\\(int64"),
    "divides the least integer": (divided(INT64, tensor("i", [-1])), "floating-point numbers alone; 'i' is"),
    "divides in a branch": (_branches(node("Div", ["features", "i"], ["x"])), "no division in a branch"),
    "zipmap": (_put(node("ZipMap", ["features"], ["x"], domain="ai.onnx.ml")), "convert without zipmap"),
    # Inputs and outputs
    "other input": (_takes(_FEATURES, shaped("more", ["n", 3])), "one input 'features'"),
    "input by another name": (_takes(shaped("rows", ["n", 3])), "one input|can run"),
    "input of integers": (_takes(shaped("features", ["n", 3], INT64)), "one input|can run"),
    "input of strings": (_takes(shaped("features", ["n", 3], STRING)), "one input|can run"),
    "input of four": (_takes(shaped("features", ["n", 4])), r"float32 \[n, 3\]"),
    "one row at a time": (_takes(shaped("features", [1, 3])), r"float32 \[n, 3\]"),
    "no output": (_gives(), _RUNS),
    "output that nothing makes": (_gives(_PREDICTION, shaped("other", ["n", 1])), _RUNS),
    "sequence": (_gives(_PREDICTION, _SEQUENCE), _RUNS),
    "map": (_gives(_PREDICTION, _MAP), _RUNS),
    "one row out": (
        _put(node("ReduceSum", ["features"], ["x"], attribute("keepdims", 1)), node("Identity", ["x"], ["prediction"])),
        "as many rows",
    ),
    "a number out": (_put(node("ReduceSum", ["features"], ["prediction"], attribute("keepdims", 0))), "rows|can run"),
    "twice the rows": (
        _put(node("Concat", ["features", "features"], ["x"], attribute("axis", 0)), summing("x")),
        "as many rows",
    ),
    "NaN everywhere": (
        _put(node("Mul", ["features", "nan"], ["x"]), summing("x"), tensors=(tensor("nan", [float("nan")]),)),
        "NaN or infinity for all",
    ),
    "infinite everywhere": (
        _put(node("Max", ["features", "inf"], ["x"]), summing("x"), tensors=(tensor("inf", [float("inf")]),)),
        "NaN or infinity for all",
    ),
}
