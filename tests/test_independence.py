"""The library is independent of every backend."""

import ast
import sys

import pytest

from tests.backend import NAME, ROOT, run_python

SOURCES = sorted((ROOT / "keras_forensics").rglob("*.py"))
BACKENDS = ["tensorflow", "jax", "torch", "openvino"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_library_imports_only_keras_and_numpy(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module
            imported.add(node.module)
    allowed = {"keras", "numpy", "keras_forensics", *sys.stdlib_module_names}
    if path.parent.name == "testing":
        allowed.add("hypothesis")
    if path.name == "jpeg.py":
        allowed.add("jpeglib")  # only when a file is read
    assert {name.split(".")[0] for name in imported} <= allowed
    assert not any(name.startswith("keras.src") for name in imported)


USE_EVERYTHING = """
import sys
class Hide:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in {blocked!r}:
            return self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = map(Hide, sys.meta_path)
import keras, numpy as np
import keras_forensics as kf
images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), "uint8")
image = keras.Input((16, 16, 3))
maps = [kf.SRMLayerV3()(image), kf.BayarConv2D(1, 5, padding="symmetric")(image)]
maps = kf.ChannelAttention(4)(keras.ops.concatenate(maps, -1))
visual = kf.StatisticsPooling2D()(maps)
fused = kf.GatedFusion()([visual, kf.ForensicStreamV3(32, 2, (4,))(image)])
model = keras.Model(image, keras.layers.Dense(1)(fused))
model.compile(keras.optimizers.SGD(kf.WarmupCosineDecay(1e-3, 4, 2)), "mse")
model.fit(images, np.zeros((2, 1)), verbose=0)
assert model.predict(images, verbose=0).shape == (2, 1)
print("works")
"""


def test_library_works_without_any_other_backend():
    blocked = [name for name in BACKENDS if name != NAME]
    code = USE_EVERYTHING.format(blocked=blocked)
    assert "works" in run_python(code, backend=NAME)


def test_import_loads_no_backend_of_its_own():
    code = (
        "import sys, keras; before = set(sys.modules); import keras_forensics; "
        "new = set(sys.modules) - before; "
        "print(sorted(n for n in new if not n.startswith('keras_forensics')))"
    )
    assert run_python(code, backend=NAME).strip() == "[]"
