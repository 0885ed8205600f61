"""The whole job without data, network or pretrained weights."""

import dataclasses
from pathlib import Path
from typing import Any

from examples.deepfake_v3.demo_set import render_demo_set
from examples.deepfake_v3.evaluate_model import evaluate_model_v3
from examples.deepfake_v3.fine_tune import fine_tune_v3
from examples.deepfake_v3.options.quickstart import QuickstartConfig
from examples.deepfake_v3.train_model import train_model_v3

IMAGE_SIZE = 96  # of the rendered images, so that nothing is cropped or enlarged


def quickstart(config: QuickstartConfig | None = None, **overrides) -> dict[str, Any]:
    """Runs the whole recipe on a rendered demo set, in a few minutes on 2 cores.

    The set is synthetic: it shows that everything works, not how well the detector
    does on photographs.

    Args:
        config: The configuration; the defaults of `QuickstartConfig` without it.
        **overrides: Fields of `QuickstartConfig` by name.

    Returns:
        The results of `evaluate_model_v3`.
    """
    config = dataclasses.replace(config or QuickstartConfig(), **overrides)
    output = Path(config.output_dir)
    # A control must not pick up where a real run was interrupted, nor replace it.
    run = output / "control" if config.shuffle_labels else output
    models = run / "models"
    data = render_demo_set(
        output / "data",
        image_size=IMAGE_SIZE,
        seed=config.seed,
    )
    training: dict[str, Any] = {
        "data_dir": str(data),
        "log_dir": str(run / "logs"),
        "shuffle_labels": config.shuffle_labels,
        "pipeline": config.pipeline,
        "seed": config.seed,
        "verbose": 2,
    }
    train_model_v3(
        model_save_path=str(models / "detector.keras"),
        weights=None,
        image_size=IMAGE_SIZE,
        alpha=0.35,
        epochs=6,
        batch_size=32,
        **training,
    )
    fine_tune_v3(
        model_path=str(models / "detector_best.keras"),
        output_path=str(models / "detector_final.keras"),
        epochs=(1, 1, 1),
        batch_size=32,
        **training,
    )
    results = evaluate_model_v3(
        model_path=str(models / "detector_final.keras"),
        data_dir=str(data),
        reports_dir=str(run / "reports"),
        pipeline=config.pipeline,
    )
    print(
        "The demo set is synthetic: these numbers show that the recipe works, not how "
        f"well it does on photographs.\nEverything is in {run}: models, logs, reports; "
        f"the images are in {data}."
    )
    return results
