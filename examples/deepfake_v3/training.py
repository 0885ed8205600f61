"""One stage of training, shared by the first phase and by fine-tuning."""

import csv
import dataclasses
import math
from pathlib import Path

import keras

from examples.deepfake_v3.augmentation import build_augmentation
from examples.deepfake_v3.data import ImageList, make_dataset
from examples.deepfake_v3.files import replacing
from examples.deepfake_v3.optimizer import LayerwiseAdamW
from keras_forensics.schedules import WarmupCosineDecay


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How to train; the same for every stage."""

    weight_decay: float = 1e-4
    """AdamW's weight decay, relative to the learning rate; kernels only."""
    clipnorm: float = 1.0
    """Largest norm of the whole gradient."""
    label_smoothing: float = 0.1
    """Labels 0 and 1 become smoothing / 2 and 1 - smoothing / 2."""
    warmup_epochs: float = 1.0
    """Epochs of linear warm-up, part of each stage's epochs."""
    min_lr: float = 1e-6
    """Learning rate at the end of a stage."""
    patience: int = 5
    """Epochs without a better val AUC after which a stage ends."""
    augment: bool = True
    """Flips, quarter turns, mild photometric change and random erasing."""
    max_images_per_class: int | None = None
    """Train on this many images a class only, for quick experiments."""
    shuffle_labels: bool = False
    """Control run: permute the labels of train and val. The test AUC must be .5."""
    pipeline: str = "auto"
    """Input pipeline: tf, grain (needs no TensorFlow), or auto."""
    log_dir: str = "logs"
    """Directory of CSV logs, TensorBoard logs and backups of interrupted runs."""
    jit_compile: bool | None = None
    """Compile with XLA or torch.compile; left out: on for JAX, off for the others."""
    seed: int = 0
    """Seed of weights, order, crops, augmentation and dropout."""
    verbose: int = 1
    """Progress of training: 0 nothing, 1 a bar, 2 a line an epoch."""


class AugmentedTrainer(keras.Model):
    """Trains a detector on augmented images.

    The detector itself stays free of augmentation, loss and optimizer, so that the
    saved file holds nothing that a user of it would need code for.
    """

    def __init__(self, detector: keras.Model, augmentation: keras.Model | None):
        # The detector's policy, so that `compile` scales the loss where it has 16
        # bits. Images are not cast to it: the forensic stream wants all of them.
        super().__init__(dtype=detector.dtype_policy, autocast=False, name="trainer")
        self.detector = detector
        self.augmentation = augmentation

    def build(self, input_shape):
        if self.augmentation is not None:
            self.augmentation.build(input_shape)

    def call(self, images, training=False):
        if training and self.augmentation is not None:
            images = self.augmentation(images, training=True)
        return self.detector(images, training=training)


class BestCheckpoint(keras.callbacks.Callback):
    """Saves the detector after the best epoch so far; never half a file."""

    def __init__(self, detector: keras.Model, path: Path, finished=()):
        super().__init__()
        self.detector = detector
        self.path = path
        self.best = max(map(epoch_score, finished), default=(-math.inf, -math.inf))

    def on_epoch_end(self, epoch, logs=None):
        if epoch_score(logs) > self.best:
            self.best = epoch_score(logs)
            save_model(self.detector, self.path)


def epoch_score(logs) -> tuple[float, float]:
    """What "best" means: the highest val AUC, and of equals the lowest val loss."""
    return float(logs["val_auc"]), -float(logs["val_loss"])


def best_epoch_score(history: dict[str, list[float]]) -> tuple[float, float]:
    """The score of a stage's best epoch."""
    return max(
        epoch_score({"val_auc": auc, "val_loss": loss})
        for auc, loss in zip(history["val_auc"], history["val_loss"], strict=True)
    )


class StopAtNaN(keras.callbacks.Callback):
    """Ends the run with an error when the loss is not a number."""

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                f"The loss became {logs['loss']} in batch {batch}. The best model so "
                "far is kept. Try a lower learning rate, a smaller clipnorm, or "
                "mixed_precision='float32'."
            )


def save_model(model: keras.Model, path: Path) -> None:
    """Saves the model whole, or leaves the old file."""
    with replacing(path) as partial:
        model.save(partial)


def train_stage(
    model: keras.Model,
    images: dict[str, ImageList],
    options: TrainingOptions,
    *,
    name: str,
    best_path: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    rate_multipliers: dict[str, float] | None = None,
) -> dict[str, list[float]]:
    """Trains the trainable layers of `model`, which ends with its best weights.

    Each stage compiles anew, with an optimizer and a schedule of its own. An
    interrupted stage goes on from its last finished epoch when it is called again.

    Args:
        model: The detector; which layers train is set before.
        images: `{"train": …, "val": …}`.
        options: The options common to all stages.
        name: Name of the stage, that of its folder in `options.log_dir`.
        best_path: Where the model of the epoch with the best val AUC is saved.
        epochs: Epochs at the most.
        batch_size: Images a step.
        learning_rate: Peak learning rate.
        rate_multipliers: Layer-wise rates, `{variable path: multiplier}`.

    Returns:
        `{metric: [value of each epoch]}`.

    Raises:
        FloatingPointError: If the loss becomes NaN or infinite.
    """
    train = images["train"].limited(options.max_images_per_class, options.seed)
    val = images["val"]
    if options.shuffle_labels:
        train = train.with_shuffled_labels(options.seed)
        val = val.with_shuffled_labels(options.seed + 1)
    feed = {
        "image_size": model.input_shape[1],
        "batch_size": batch_size,
        "seed": options.seed,
        "pipeline": options.pipeline,
    }
    steps = math.ceil(len(train) / batch_size)
    schedule = WarmupCosineDecay(
        initial_lr=learning_rate,
        decay_steps=steps * epochs,
        warmup_steps=min(round(steps * options.warmup_epochs), steps * epochs),
        min_lr=min(options.min_lr, learning_rate),
    )
    trainer = AugmentedTrainer(
        model, build_augmentation(options.seed) if options.augment else None
    )
    trainer.compile(
        LayerwiseAdamW(
            schedule,
            options.weight_decay,
            rate_multipliers,
            global_clipnorm=options.clipnorm,
        ),
        keras.losses.BinaryCrossentropy(label_smoothing=options.label_smoothing),
        metrics=[
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

    log_dir = Path(options.log_dir) / name
    log_dir.mkdir(parents=True, exist_ok=True)
    history_path = log_dir / "history.csv"
    backup_dir = log_dir / "backup"
    resumed = backup_dir.exists()
    callbacks = [
        BestCheckpoint(model, best_path, _read(history_path) if resumed else ()),
        StopAtNaN(),
        keras.callbacks.EarlyStopping("val_auc", mode="max", patience=options.patience),
        keras.callbacks.CSVLogger(history_path, append=resumed),
        keras.callbacks.BackupAndRestore(backup_dir),
        *_tensorboard(log_dir),
    ]
    weights = train.class_weights()
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    print(
        f"{name}: {len(train)} training images, {epochs} epochs of {steps} steps, "
        f"peak rate {learning_rate:g}, {trainable:,} trainable weights"
    )
    history = trainer.fit(
        make_dataset(train, training=True, **feed),
        validation_data=make_dataset(val, training=False, **feed),
        epochs=epochs,
        steps_per_epoch=steps,
        class_weight=None if weights[0] == weights[1] else weights,
        callbacks=callbacks,
        shuffle=False,  # the dataset does
        verbose=options.verbose,
    ).history
    model.load_weights(best_path)
    return history


def _tensorboard(log_dir: Path) -> list[keras.callbacks.Callback]:
    try:
        import tensorboard  # noqa: F401  Keras's callback needs both
        import tensorflow  # noqa: F401
    except ImportError:
        return []
    return [keras.callbacks.TensorBoard(log_dir / "tensorboard")]


def _read(history_path: Path) -> list[dict[str, str]]:
    if not history_path.exists():
        return []
    with history_path.open(newline="") as file:
        return list(csv.DictReader(file))


def choose_dtype_policy(mixed_precision: str) -> str:
    """Returns the dtype policy for this machine.

    Args:
        mixed_precision: `"float32"`, `"mixed_float16"`, `"mixed_bfloat16"`, or
            `"auto"`: mixed_float16 on a GPU with tensor cores (compute capability 7
            and later: T4, V100, A100, …), float32 elsewhere.
    """
    policies = ("float32", "mixed_float16", "mixed_bfloat16")
    if mixed_precision == "auto":
        return "mixed_float16" if _gpu_capability() >= 7 else "float32"
    if mixed_precision not in policies:
        raise ValueError(
            f"`mixed_precision` must be 'auto' or one of {policies}. "
            f"Received: mixed_precision={mixed_precision!r}"
        )
    return mixed_precision


def _gpu_capability() -> float:
    """CUDA compute capability of the backend's first GPU, 0 without one."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            gpus = tf.config.list_physical_devices("GPU")
            details = tf.config.experimental.get_device_details(gpus[0]) if gpus else {}
            return float(details.get("compute_capability", (0,))[0])
        case "jax":
            import jax

            return float(getattr(jax.devices()[0], "compute_capability", 0))
        case "torch":
            import torch

            if torch.cuda.is_available():
                return float(torch.cuda.get_device_capability()[0])
    return 0.0
