"""Lists the public names, signatures and defaults, and the registered names.

    python -m tests.public_api > tests/public_api.txt

The list is reviewed with the change that alters it.
"""

import inspect

import keras

import keras_forensics
from keras_forensics import testing


def describe():
    lines = []
    for module in (
        keras_forensics,
        keras_forensics.layers,
        keras_forensics.constraints,
        keras_forensics.schedules,
        keras_forensics.filters,
        keras_forensics.jpeg,
        keras_forensics.quantization_tables,
        keras_forensics.ops,
        testing,
    ):
        for name, value in sorted(vars(module).items()):
            if _is_public(module, name, value):
                lines.append(f"{module.__name__}.{name}{_signature(value)}")
    names = keras.saving.get_custom_objects()
    lines += [f"registered: {name}" for name in sorted(names) if _is_ours(name)]
    return "\n".join(lines) + "\n"


def _is_public(module, name, value):
    if hasattr(module, "__all__"):
        return name in module.__all__
    if name.startswith("_") or inspect.ismodule(value):
        return False
    return getattr(value, "__module__", module.__name__) == module.__name__


def _is_ours(name):
    return name.startswith("keras_forensics>")


def _signature(value):
    if inspect.ismodule(value):
        return ": module"
    if not callable(value):
        return f": {type(value).__name__}"
    signature = inspect.signature(value)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


if __name__ == "__main__":
    print(describe(), end="")
