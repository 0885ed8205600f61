"""The dual-stream deepfake detector: from a folder of images to figures.

| module | what it does |
|---|---|
| `data` | checks `data_dir/{train,val,test}/{real,fake}` and feeds it to Keras |
| `model` | `build_model_v3`, and which layers of it are trained |
| `images`, `lost_images` | reads one file; what happens to one that no longer can be |
| `training` | one stage of training: optimizer, augmentation, callbacks |
| `train_model` | `train_model_v3`: the first phase, with a frozen backbone |
| `fine_tune` | `fine_tune_v3`, `quick_fine_tune`: progressive unfreezing |
| `evaluate_model` | `evaluate_model_v3`: metrics, threshold, figures, card |
| `metadata`, `calibrate_model` | what a saved model carries, and how it gets it |
| `detector` | `Detector`: load a saved model, predict, explain |
| `model_card`, `package` | the card beside a model, a folder for a hub |
| `demo_set`, `quickstart` | the whole job without data: rendered images |

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
