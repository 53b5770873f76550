"""The operators that a served graph may use: those of ONNX and ONNX-ML that tabular models and networks are made of.

What is not listed is refused. Left out on purpose:

* `Loop`, `Scan`, `SequenceMap`: how often they turn may hang on the values of a row, so that no first run shows what
  the next request costs. `If` runs one of two graphs once; both are checked.
* `Random*`, `Bernoulli`, `Multinomial`: the same row would not get the same score twice.
* Operators on text, images, sound, sequences, optionals and maps, and losses: features are numbers, outputs tensors.
"""

_ELEMENTWISE = """
Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil
Celu Clip Cos Cosh Div Dropout Elu Equal Erf Exp Floor Gelu Greater GreaterOrEqual HardSigmoid HardSwish Hardmax
Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log LogSoftmax Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow
Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Sub Sum Swish Tan Tanh
ThresholdedRelu Where Xor
"""
_REDUCING = """
ArgMax ArgMin CumProd CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
ReduceSum ReduceSumSquare TopK
"""
_SHAPING = """
Compress Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements GatherND If NonZero
OneHot Pad Range Reshape Resize ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice SpaceToDepth Split
Squeeze Tile Transpose Trilu Unique Unsqueeze Upsample
"""
_LAYERS = """
Attention AveragePool BatchNormalization Conv ConvInteger ConvTranspose DequantizeLinear Det DynamicQuantizeLinear
Einsum GRU Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization InstanceNormalization LRN LSTM
LayerNormalization LpNormalization LpPool MatMul MatMulInteger MaxPool MeanVarianceNormalization QLinearConv
QLinearMatMul QuantizeLinear RMSNormalization RNN RotaryEmbedding
"""
_ML = """
ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder LinearClassifier LinearRegressor
Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler TreeEnsemble TreeEnsembleClassifier TreeEnsembleRegressor
"""

_STANDARD = frozenset(f"{_ELEMENTWISE} {_REDUCING} {_SHAPING} {_LAYERS}".split())

# Domain → its operators; ONNX's own has two names.
ALLOWED: dict[str, frozenset[str]] = {"": _STANDARD, "ai.onnx": _STANDARD, "ai.onnx.ml": frozenset(_ML.split())}


def why_refused(domain: str, operator: str) -> str | None:
    """What a graph should have in place of this operator; None if it may be used."""
    if domain not in ALLOWED:
        return f"operators of ONNX and ONNX-ML alone, not {operator[:100]!r} of the domain {domain[:100]!r}"
    if operator == "ZipMap":
        return "outputs that are tensors, not maps: convert without zipmap"
    if operator not in ALLOWED[domain]:
        return f"operators that inference allows; {operator[:100]!r} is not among them"
    return None
