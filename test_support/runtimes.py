"""Files that Keras exports, and the runtimes that run them, each with its options."""

import dataclasses
import importlib.util
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

Run = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Runtime:
    """What runs one format.

    Attributes:
        needs: Modules that writing and running take, by the backends that can write it.
        write: Writes a model into a folder.
        open: Makes what is in the folder run, with options of `options`.
        options: Names of ways to run it, and the arguments of `open` for each.
    """

    needs: Mapping[str, tuple[str, ...]]
    write: Callable[[keras.Model, Path], None]
    open: Callable[..., Run]
    options: Mapping[str, Mapping[str, Any]]

    def missing(self) -> list[str]:
        """The modules that are not installed, for the backend in use."""
        needs = self.needs[keras.backend.backend()]
        return [name for name in needs if importlib.util.find_spec(name) is None]


def _write_savedmodel(model, folder):
    model.export(folder / "model", format="tf_saved_model", verbose=False)


def _open_savedmodel(folder, grappler=True):
    import tensorflow as tf

    served = tf.saved_model.load(str(folder / "model"))

    def run(images):
        tf.config.optimizer.set_experimental_options(
            {"disable_meta_optimizer": not grappler}
        )
        try:
            return served.serve(images).numpy()
        finally:
            tf.config.optimizer.set_experimental_options(
                {"disable_meta_optimizer": False}
            )

    return run


def _write_onnx(model, folder):
    path = str(folder / "model.onnx")
    model.export(path, format="onnx", verbose=False, input_signature=model.inputs)


def _open_onnx(folder, level="ORT_ENABLE_ALL", threads=0):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(
        onnxruntime.GraphOptimizationLevel, level
    )
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        (folder / "model.onnx").read_bytes(),
        options,
        providers=["CPUExecutionProvider"],
    )
    (image,) = session.get_inputs()
    return lambda images: session.run(None, {image.name: images})[0]


def _write_litert(model, folder):
    import tensorflow as tf

    own = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    path = str(folder / "model.tflite")
    model.export(path, format="litert", verbose=False, target_spec=own)


def _open_litert(folder, threads=None, operators="AUTO"):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=(folder / "model.tflite").read_bytes(),
        num_threads=threads,
        experimental_op_resolver_type=getattr(OpResolverType, operators),
    )
    (image,) = interpreter.get_input_details()
    (output,) = interpreter.get_output_details()

    def run(images):
        interpreter.resize_tensor_input(image["index"], images.shape, strict=True)
        interpreter.allocate_tensors()
        interpreter.set_tensor(image["index"], images)
        interpreter.invoke()
        return interpreter.get_tensor(output["index"])

    return run


def _write_openvino(model, folder):
    model.export(str(folder / "model.xml"), format="openvino", verbose=False)


def _compile_openvino(folder, properties):
    import openvino

    core = openvino.Core()
    return core.compile_model(
        core.read_model(str(folder / "model.xml")), "CPU", properties
    )


def _open_openvino(folder, **properties):
    compiled = _compile_openvino(folder, properties)
    return lambda images: compiled(images)[0].copy()


def openvino_precision(folder: Path, **properties) -> str:
    """What OpenVINO computes in: "f32", or "bf16" where the processor has it."""
    compiled = _compile_openvino(folder, properties)
    return compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()


RUNTIMES = {
    "TensorFlow": Runtime(
        {"tensorflow": (), "jax": ("tensorflow",)},
        _write_savedmodel,
        _open_savedmodel,
        {"defaults": {}, "no graph optimiser": {"grappler": False}},
    ),
    "ONNX Runtime": Runtime(
        {
            "tensorflow": ("onnx", "onnxruntime", "tf2onnx"),
            "torch": ("onnx", "onnxruntime"),
        },
        _write_onnx,
        _open_onnx,
        {
            "defaults": {},
            "no optimisation": {"level": "ORT_DISABLE_ALL"},
            "basic": {"level": "ORT_ENABLE_BASIC"},
            "extended": {"level": "ORT_ENABLE_EXTENDED"},
            "1 thread": {"threads": 1},
            "2 threads": {"threads": 2},
        },
    ),
    "LiteRT": Runtime(
        {"tensorflow": ("ai_edge_litert",)},
        _write_litert,
        _open_litert,
        {
            "defaults": {},
            "1 thread": {"threads": 1},
            "2 threads": {"threads": 2},
            "no delegate": {"operators": "BUILTIN_WITHOUT_DEFAULT_DELEGATES"},
            "reference operators": {"operators": "BUILTIN_REF"},
        },
    ),
    "OpenVINO": Runtime(
        {"tensorflow": ("openvino",), "torch": ("openvino",)},
        _write_openvino,
        _open_openvino,
        {
            "defaults": {},
            "f32": {"INFERENCE_PRECISION_HINT": "f32"},
            "bf16": {"INFERENCE_PRECISION_HINT": "bf16"},
            "f16": {"INFERENCE_PRECISION_HINT": "f16"},
            "accuracy": {"EXECUTION_MODE_HINT": "ACCURACY"},
            "throughput": {"PERFORMANCE_HINT": "THROUGHPUT"},
            "1 thread": {"INFERENCE_NUM_THREADS": 1},
        },
    ),
}


def export(model: keras.Model, name: str, folder: Path) -> None:
    """Writes a model for a runtime. What converters warn of is their own code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        RUNTIMES[name].write(model, folder)


def run(name: str, folder: Path, images: np.ndarray, **options) -> np.ndarray:
    """Runs what `export` wrote, on float32 images."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RUNTIMES[name].open(folder, **options)(images)


def each_option(model: keras.Model) -> Iterator[tuple[str, str, Run]]:
    """Exports a model for all runtimes that the backend in use can write for.

    Yields:
        The runtime, the name of a way to run it (for OpenVINO with the type that it
        says it computes in), and what runs the file that way.
    """
    for name, runtime in RUNTIMES.items():
        if keras.backend.backend() not in runtime.needs:
            continue
        if missing := runtime.missing():
            sys.exit(f"{name} needs {', '.join(missing)}")
        with tempfile.TemporaryDirectory() as folder:
            at = Path(folder)
            export(model, name, at)
            for option, arguments in runtime.options.items():
                if name == "OpenVINO":
                    option += f" ({openvino_precision(at, **arguments)})"
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    run_file = runtime.open(at, **arguments)
                yield name, option, run_file
