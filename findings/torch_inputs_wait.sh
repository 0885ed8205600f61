#!/usr/bin/env bash
# Keras 3.15.1 on torch 2.13.0: the tensors that a model was called with stay in memory after
# the call, until Python's garbage collector comes by: they hang on circles of functions that
# take nested arguments apart. Of five batches, all five are still there. On JAX 0.10.2, the
# same model with the same Keras lets go of each at once.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 keras==3.15.1 jax==0.10.2
cat >"$folder/waiting.py" <<'PYTHON'
import gc
import sys
import weakref

import keras

model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
model(keras.ops.zeros((4, 8)))
gc.collect()
gc.disable()
batches = []
for _ in range(5):
    batch = keras.ops.zeros((4, 8)) + 1
    batches.append(weakref.ref(batch))
    model(batch)
    del batch
waiting = sum(batch() is not None for batch in batches)
gc.collect()
collected = sum(batch() is not None for batch in batches)
print(f"{keras.backend.backend()}: {waiting} of 5 batches wait, then {collected}")
assert (waiting, collected) == (int(sys.argv[1]), 0), (waiting, collected)
PYTHON
KERAS_BACKEND=torch "$folder/venv/bin/python" "$folder/waiting.py" 5
KERAS_BACKEND=jax "$folder/venv/bin/python" "$folder/waiting.py" 0
