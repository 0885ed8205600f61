"""Phase 2: fine-tunes the backbone, in three stages from its end to its start."""

import dataclasses
import functools
from pathlib import Path

import keras

from examples.deepfake_v3.files.files import alone_in
from examples.deepfake_v3.loading.data import check_data_dir, class_folders
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.mirror import with_mirror, without_mirror
from examples.deepfake_v3.model_files.loading import load_detector
from examples.deepfake_v3.options.fine_tune import (
    FineTuneConfig,
    QuickFineTuneConfig,
)
from examples.deepfake_v3.training.checkpoint import forget_stages
from examples.deepfake_v3.training.distribution import current_cluster, distributed
from examples.deepfake_v3.training.finish import save_trained
from examples.deepfake_v3.training.precision import choose_dtype_policy, with_policy
from examples.deepfake_v3.training.progress import as_history
from examples.deepfake_v3.training.stage import check_room_for
from examples.deepfake_v3.training.stages import enter_stage, run_stages


def fine_tune_v3(
    config: FineTuneConfig | None = None, **overrides
) -> tuple[keras.Model, dict[str, dict[str, list[float]]]]:
    """Fine-tunes a trained detector in stages.

    Each stage starts from the best model of the stages before, saves its own best
    beside `output_path` as `*_stage1.keras`, …, and the best of all stages becomes the
    final model, which also looks at the mirror image (`mirror`). Interrupted, the same
    call goes on after the last finished epoch, and ends as it would have.

    Args:
        config: The configuration; the defaults of `FineTuneConfig` without it.
        **overrides: Fields of `FineTuneConfig` by name.

    Returns:
        `(model, all_history)`: the best model, uncompiled, and `{"stage1": history,
        …}`.

    Raises:
        FileNotFoundError: If the model or a data directory is missing.
        LostImagesError: If too many images can no longer be read during the run.
        OSError: If a file cannot be written, or another run writes in `log_dir`.
        ValueError: If the data or an argument cannot be used, or if an unfinished run
            in `log_dir` was started with others.
        FloatingPointError: If the loss or a weight becomes NaN or infinite.
        TypeError: If an override is no field of `FineTuneConfig`.
    """
    config = dataclasses.replace(config or FineTuneConfig(), **overrides)
    stages = list(
        zip(config.unfreeze, config.learning_rates, config.epochs, strict=True)
    )
    if not config.run_all_stages:
        stages = stages[:1]
    return _fine_tune(config, Path(config.output_path), stages)


def quick_fine_tune(
    config: QuickFineTuneConfig | None = None, **overrides
) -> keras.Model:
    """Fine-tunes a trained detector in one stage.

    Args:
        config: The configuration; the defaults of `QuickFineTuneConfig` without it.
        **overrides: Fields of `QuickFineTuneConfig` by name.

    Returns:
        The model of the best epoch, uncompiled.

    Raises:
        FileNotFoundError: If the model or a data directory is missing.
        LostImagesError: If too many images can no longer be read during the run.
        OSError: If a file cannot be written, or another run writes in `log_dir`.
        ValueError: If the data or an argument cannot be used, or if an unfinished run
            in `log_dir` was started with others.
        FloatingPointError: If the loss or a weight becomes NaN or infinite.
        TypeError: If an override is no field of `QuickFineTuneConfig`.
    """
    config = dataclasses.replace(config or QuickFineTuneConfig(), **overrides)
    stages = [(config.unfreeze, config.learning_rate, config.epochs)]
    return _fine_tune(config, Path(config.output_path), stages)[0]


def _fine_tune(config, output_path, stages):
    with (
        distributed(config.distribute, config.batch_size),
        alone_in(current_cluster().output(Path(config.log_dir))),
    ):
        return _fine_tune_here(config, output_path, stages)


def _fine_tune_here(config, output_path, stages):
    cluster = current_cluster()
    class_folders(config.data_dir)
    # Before the model is loaded: layers without a seed draw one.
    keras.utils.set_random_seed(config.seed)
    model = with_policy(
        without_mirror(load_detector(config.model_path)),
        choose_dtype_policy(config.mixed_precision),
    )
    logs = Path(config.log_dir)
    best_paths = {
        f"{output_path.stem}_stage{number}": output_path.with_name(
            f"{output_path.stem}_stage{number}.keras"
        )
        for number in range(1, len(stages) + 1)
    }
    check_room_for(model, config, output_path, best_paths)
    images = check_data_dir(
        config.data_dir, report_path=cluster.output(logs / "quarantine.csv")
    )
    lost = LostImages(cluster.output(logs / "quarantine.csv"))
    enter_stages = [
        functools.partial(
            enter_stage,
            tuning=config,
            name=name,
            number=number,
            best_path=path,
            last=last,
            learning_rate=learning_rate,
            epochs=epochs,
        )
        for number, ((name, path), (last, learning_rate, epochs)) in enumerate(
            zip(best_paths.items(), stages, strict=True), start=1
        )
    ]
    with lost.ending_readably():
        run = run_stages(model, images, config, enter_stages, lost)
    if config.mirror:
        model = with_mirror(model)
    save_trained(
        model,
        output_path,
        command="fine-tune",
        config=config,
        images=images,
        lost=lost,
        stages=run.logs,
        base=config.model_path,
    )
    forget_stages(run.log_dirs)
    print(
        f"Saved {output_path} (the best of {len(stages)} stages: {run.best_path}, val "
        f"AUC {run.best_score[0]:.4f}), logs in {', '.join(map(str, run.log_dirs))}, "
        f"unusable files in {logs / 'quarantine.csv'}."
    )
    return model, {
        f"stage{number}": as_history(logged)
        for number, logged in enumerate(run.logs.values(), start=1)
    }
