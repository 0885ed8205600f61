"""The dual-stream deepfake detector: from a folder of images to figures.

| module | what it does |
|---|---|
| `model` | `build_model_v3`, and which layers of it are trained |
| `detector` | `Detector`: load a saved model, predict, explain |
| `audit`, `prepare` | what is wrong with a data set, and clean splits of it |
| `train_model` | `train_model_v3`: the first phase, with a frozen backbone |
| `fine_tune` | `fine_tune_v3`, `quick_fine_tune`: progressive unfreezing |
| `evaluate_model` | `evaluate_model_v3`: metrics, threshold, figures, card |
| `calibrate_model` | threshold and temperature, written into a model's file |
| `predict_images`, `explain` | scores of files, and what a verdict depends on |
| `export_model`, `package` | files for other runtimes, a folder for a hub |
| `demo_set`, `quickstart` | the whole job without data: rendered images |

The folders hold what these are made of; each says in its first line what that is.
`python -m examples.deepfake_v3 --help` runs them from the command line.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from examples.deepfake_v3.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    # Only when asked for: most modules here need no Keras, which takes seconds.
    if name == "Detector":
        from examples.deepfake_v3.detector import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
