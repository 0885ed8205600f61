"""One stage of training, shared by the first phase and by fine-tuning."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

import keras
import psutil
from keras import ops

from examples.deepfake_v3.checks import check_positive, check_range
from examples.deepfake_v3.files.files import check_room
from examples.deepfake_v3.loading.data import ImageList
from examples.deepfake_v3.loading.lost_images import LostImages
from examples.deepfake_v3.loading.pipeline import PixelCache, make_dataset, measure_rate
from examples.deepfake_v3.options.training import CHANGE_NO_RESULT, TrainingOptions
from examples.deepfake_v3.training.augmentation import build_augmentation
from examples.deepfake_v3.training.checkpoint import STATE, Checkpoint
from examples.deepfake_v3.training.distribution import (
    DataParallelModel,
    current_cluster,
)
from examples.deepfake_v3.training.optimizer import LayerwiseAdamW
from examples.deepfake_v3.training.precision import policy_of
from examples.deepfake_v3.training.progress import (
    Forecast,
    GateStatistics,
    StopAtNaN,
    torch_nan_named,
)
from keras_forensics.schedules import WarmupCosineDecay

MODEL_BYTES = 2_000_000  # of a file, beside its weights
LOG_BYTES = 1_000_000  # of a stage
GATE_IMAGES = 32  # of each class, for what the logs say of the gate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of training.

    Attributes:
        name: Name of the stage, that of its folder in the log directory.
        number: 0 for the first phase, then 1, 2, …: each has draws of its own.
        best_path: Where the model of the epoch with the best val AUC is saved.
        epochs: Epochs at the most.
        batch_size: Images a step.
        learning_rate: Peak learning rate.
        initial_weights: What tells the weights at its start from others, such as a
            hash.
        rate_multipliers: Layer-wise rates, `{variable path: multiplier}`.
    """

    name: str
    number: int
    best_path: Path
    epochs: int
    batch_size: int
    learning_rate: float
    initial_weights: str
    rate_multipliers: dict[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        check_range("epochs", self.epochs, 1)
        check_range("batch_size", self.batch_size, 1)
        check_positive("learning_rate", self.learning_rate)


class AugmentedTrainer(DataParallelModel):
    """Trains a detector on augmented images.

    The detector itself stays free of augmentation, loss and optimizer, so that the
    saved file holds nothing that a user of it would need code for.
    """

    def __init__(self, detector: keras.Model, augmentation: keras.Model | None):
        # The detector's policy, so that `compile` scales the loss where it has 16
        # bits. Images are not cast to it: the forensic stream wants all of them.
        super().__init__(dtype=policy_of(detector), autocast=False, name="trainer")
        self.detector = detector
        self.augmentation = augmentation

    def build(self, input_shape):
        if self.augmentation is not None:
            self.augmentation.build(input_shape)

    def call(self, images, training=False):
        images = ops.cast(images, "float32")  # grey levels come as uint8
        if training and self.augmentation is not None:
            images = self.augmentation(images, training=True)
        return self.detector(images, training=training)


def train_stage(
    model: keras.Model,
    images: dict[str, ImageList],
    options: TrainingOptions,
    stage: Stage,
    lost: LostImages | None = None,
) -> list[dict[str, float]]:
    """Trains the trainable layers of `model`, which ends with its best weights.

    Each stage compiles anew, with an optimizer and a schedule of its own. Called
    again with the same arguments, an interrupted stage goes on from its last finished
    epoch as if nothing had been, and a finished one only restores its best weights,
    until `forget_stages`.

    Args:
        model: The detector; which layers train is set before.
        images: `{"train": …, "val": …}`.
        options: The options common to all stages.
        stage: The stage.
        lost: What becomes of images that can no longer be read.

    Returns:
        The logs of every epoch: loss, accuracy and AUC on train and val.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite.
        OSError: If a file cannot be written.
        ValueError: If a run with other settings or images is unfinished in the same
            log directory, and `options.force` is `False`.
    """
    listed = choose_images(images, options)
    train, val = listed["train"], listed["val"]
    seed = stage_seed(options.seed, stage)
    cluster = current_cluster()
    log_dir = cluster.found_output(Path(options.log_dir) / stage.name)
    best_path = cluster.found_output(stage.best_path)
    settings = _settings(model, options, stage)
    hashes = [images.fingerprints().tobytes() for images in listed.values()]
    cluster.check_agreement([settings, hashes], model, log_dir, best_path)
    checkpoint = Checkpoint(
        model,
        log_dir,
        best_path,
        settings=settings,
        images=listed,
        seed=seed,
        epochs=stage.epochs,
        patience=options.patience,
        force=options.force,
    )
    if checkpoint.finished:
        print(f"{stage.name}: finished before.")
        return checkpoint.logs

    done = len(checkpoint.logs)
    steps = options.steps_per_epoch or math.ceil(len(train) / stage.batch_size)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(
        f"{stage.name}: {len(train)} training images, {stage.epochs} epochs of {steps} "
        f"steps, peak rate {stage.learning_rate:g}, {trainable:,} trainable weights"
        + (f"; going on after epoch {done}" if done else "")
    )
    cache = PixelCache(
        _free_gigabytes() if options.cache_gb is None else options.cache_gb
    )
    feed = {
        "image_size": model.input_shape[1],
        "batch_size": stage.batch_size,
        "pipeline": options.pipeline,
        "cache": cache,
        "lost": lost,
        "share": cluster.share,
    }
    train_set = make_dataset(
        train,
        training=True,
        seed=seed,
        first_step=steps * done,
        processed=options.process_augment,
        **feed,
    )
    trainer = AugmentedTrainer(
        model,
        build_augmentation(seed, options.jpeg_augment, options.jpeg_augment_per)
        if options.augment
        else None,
    )
    trainer.compile(
        build_optimizer(options, stage, steps),
        keras.losses.BinaryCrossentropy(label_smoothing=options.label_smoothing),
        # Weighted, but by 0 and 1 only: see `compute_metrics`.
        weighted_metrics=[
            keras.metrics.BinaryAccuracy(name="accuracy"),
            keras.metrics.AUC(num_thresholds=1000, name="auc"),
        ],
        jit_compile=(
            keras.backend.backend() == "jax"
            if options.jit_compile is None
            else options.jit_compile
        ),
    )
    trainer.build((None, *model.input_shape[1:]))
    # Or TensorFlow makes its variables after the checkpoint would restore them.
    trainer.optimizer.build(trainer.trainable_variables)
    val_set = make_dataset(val, training=False, **feed)
    with cache, torch_nan_named():
        trainer.fit(
            cluster.distribute(train_set, stage.batch_size),
            validation_data=cluster.distribute(val_set, stage.batch_size),
            initial_epoch=done,
            epochs=stage.epochs,
            steps_per_epoch=steps,
            callbacks=[
                StopAtNaN(),
                *_gate_statistics(model, val, feed),
                checkpoint,
                Forecast(
                    measure_rate(train_set) * cluster.hosts,
                    train_count=steps * stage.batch_size,
                    val_count=len(val),
                ),
                *_tensorboard(log_dir),
            ],
            shuffle=False,  # the dataset does
            verbose=options.verbose,
        )
    checkpoint.restore_best()
    return checkpoint.logs


def choose_images(
    images: Mapping[str, ImageList], options: TrainingOptions
) -> dict[str, ImageList]:
    """Those of train and val that a run learns from, with the labels that it sees."""
    train = images["train"].limited(options.max_images_per_class, options.seed)
    val = images["val"]
    if options.shuffle_labels:
        train = train.with_shuffled_labels(options.seed)
        val = val.with_shuffled_labels(options.seed + 1)
    return {"train": train, "val": val}


def check_room_for(
    model: keras.Model,
    options: TrainingOptions,
    output_path: Path,
    best_paths: Mapping[str, Path],
) -> None:
    """Refuses a run whose files could not be written, before it starts.

    Args:
        model: The detector.
        options: The options common to all stages.
        output_path: Where the model is saved at the end.
        best_paths: Where the best model of each stage is saved, by its name.

    Raises:
        OSError: If a directory cannot be written to, or has too little room.
    """
    weights = 4 * sum(math.prod(weight.shape) for weight in model.weights)
    sizes = dict.fromkeys((output_path, *best_paths.values()), weights + MODEL_BYTES)
    for name in best_paths:
        log_dir = Path(options.log_dir) / name
        # Weights, two moments of each, and the best weights.
        sizes[log_dir / STATE] = 4 * weights + MODEL_BYTES
        sizes[log_dir / "tensorboard"] = LOG_BYTES
    output = current_cluster().output
    check_room({output(path): size for path, size in sizes.items()})


def stage_seed(seed: int, stage: Stage) -> int:
    """Every stage has an order, crops, augmentation and dropout of its own."""
    return seed + 100 * stage.number


def build_optimizer(
    options: TrainingOptions, stage: Stage, steps: int
) -> keras.optimizers.Optimizer:
    """The optimizer of a stage of so many steps an epoch, with its schedule."""
    decay_steps = steps * stage.epochs
    schedule = WarmupCosineDecay(
        initial_lr=stage.learning_rate,
        decay_steps=decay_steps,
        warmup_steps=min(round(steps * options.warmup_epochs), decay_steps // 5),
        min_lr=min(options.min_lr, stage.learning_rate),
    )
    return LayerwiseAdamW(
        schedule,
        options.weight_decay,
        stage.rate_multipliers,
        global_clipnorm=options.clipnorm,
    )


def _settings(model, options, stage) -> dict:
    """Everything that decides how the stage ends, but for the images."""
    settings = {
        **dataclasses.asdict(options),
        **dataclasses.asdict(stage),
        "backend": keras.backend.backend(),
        "dtype_policy": policy_of(model).name,
    }
    # The rates follow from `first_layer_rate`.
    for name in ("rate_multipliers", *CHANGE_NO_RESULT):
        del settings[name]
    return settings


def _gate_statistics(model, val, feed) -> list[keras.callbacks.Callback]:
    """What the gate does on some val images, the same ones on every host."""
    if not any(layer.name == "forensic_stream" for layer in model.layers):
        return []
    chosen = val.limited(GATE_IMAGES, seed=0)
    feed = {**feed, "batch_size": len(chosen), "share": None}
    (images, *_), *_ = make_dataset(chosen, training=False, **feed)
    return [GateStatistics(model, ops.convert_to_numpy(images))]


def _free_gigabytes() -> float:
    """Half of the memory that is free: the rest is for the model."""
    return psutil.virtual_memory().available / 2e9


def _tensorboard(log_dir: Path) -> list[keras.callbacks.Callback]:
    """Keras's callback writes with TensorFlow: only where that is the backend."""
    if keras.backend.backend() != "tensorflow":
        return []
    return [keras.callbacks.TensorBoard(log_dir / "tensorboard")]
