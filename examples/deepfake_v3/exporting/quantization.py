"""LiteRT files, also with 16-bit floats and 8-bit integers, that still see residuals.

A residual is the small difference of large numbers. The taps that compute it, rounded
to 8 bits, no longer sum to 0, so that a bright pixel leaves more than the residual
itself; and a deviation is the root of a mean of squares, which 8 bits do not span. The
forensic layers stay in float32, then: they are a few per cent of a detector's weights,
and the rest is what makes a file small and fast.
"""

import contextlib
import io
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from examples.deepfake_v3.errors import InputError
from keras_forensics.layers import (
    BayarConv2D,
    ForensicStreamV3,
    SRMFilterBank,
    StatisticsPooling2D,
)


def write_float32(model: keras.Model, path: Path, images=None) -> None:
    """Writes a LiteRT file as it is."""
    import tensorflow as tf

    # Not TensorFlow's own operators, which the runtime does not bring.
    own = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(path, format="litert", verbose=False, target_spec=own)


def write_float16(model: keras.Model, path: Path, images=None) -> None:
    """Writes a LiteRT file whose weights are float16, but for the forensic layers'.

    It computes in float32 where the hardware has nothing shorter.
    """
    from ai_edge_quantizer import qtyping, quantizer
    from ai_edge_quantizer.algorithm_manager import AlgorithmName

    half = qtyping.OpQuantizationConfig(
        weight_tensor_config=qtyping.TensorQuantizationConfig(
            num_bits=16, dtype=qtyping.TensorDataType.FLOAT
        ),
        compute_precision=qtyping.ComputePrecision.FLOAT,
        explicit_dequantize=True,
    )
    with tempfile.TemporaryDirectory() as folder, _silence():
        plain = Path(folder) / "model.tflite"
        write_float32(model, plain)
        recipe = quantizer.Quantizer(plain.read_bytes())
        recipe.update_quantization_recipe(".*", "*", half, AlgorithmName.FLOAT_CASTING)
        recipe.update_quantization_recipe(
            forensic_scopes(model), "*", algorithm_key=AlgorithmName.NO_QUANTIZE
        )
        path.write_bytes(recipe.quantize().quantized_model)


def write_int8(model: keras.Model, path: Path, images: np.ndarray | None) -> None:
    """Writes a LiteRT file of 8-bit integers, weights and arithmetic.

    Float32 remain the forensic layers, the input, and the last layer, since a
    probability in 256 steps ties images that others tell apart.

    Args:
        model: As from `inference_copy`.
        path: The file.
        images: Typical ones, by which the ranges of all activations are chosen.

    Raises:
        ValueError: If there are no images.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    if images is None:
        raise InputError(
            "`images` must be some hundred typical ones for litert-int8, which chooses "
            "its ranges by them. Received: images=None"
        )
    inputs = images.astype("float32")

    def one_by_one():
        return ([image[None]] for image in inputs)

    with tempfile.TemporaryDirectory() as folder, _silence():
        model.export(folder, format="tf_saved_model", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = one_by_one
        # The only way to the converter's own list of what it leaves in float32. (The
        # package for float16 cuts off the biases of channels with tiny weights.)
        options = tf.lite.experimental.QuantizationDebugOptions()
        debugger = tf.lite.experimental.QuantizationDebugger(
            converter=converter, debug_dataset=one_by_one, debug_options=options
        )
        measured = Interpreter(model_content=debugger.calibrated_model)
        kept = f"{forensic_scopes(model)}|{_scope(_last_layers(model))}"
        outputs = {each["name"] for each in measured.get_output_details()}
        options.denylisted_nodes = [
            each["name"]
            for each in measured.get_tensor_details()
            if each["name"] in outputs or re.search(kept, each["name"])
        ]
        path.write_bytes(debugger.get_nondebug_quantized_model())


def forensic_scopes(model: keras.Model) -> str:
    """A pattern for the names of all operations of a model's forensic layers."""
    forensic = BayarConv2D, ForensicStreamV3, SRMFilterBank, StatisticsPooling2D
    # Private in Keras, where nothing public finds layers within layers.
    layers = model._flatten_layers(include_self=False)
    return _scope(layer.name for layer in layers if isinstance(layer, forensic))


def _last_layers(model: keras.Model) -> Iterator[str]:
    for name in model.output_names:
        layer = model.get_layer(name)
        yield from _last_layers(layer) if isinstance(layer, keras.Model) else [name]


def _scope(names: Iterable[str]) -> str:
    """A pattern for operations of these layers, whose names TensorFlow numbers."""
    either = "|".join(map(re.escape, names))
    return rf"(?:^|[/;])(?:{either})(?:_\d+)?/" if either else "(?!)"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Without the progress that both converters print."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield
