"""How to train, whichever the stage."""

import dataclasses

from examples.deepfake_v3.checks import check_positive, check_range
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.choices import (
    Distribute,
    JpegPer,
    MixedPrecision,
    Pipeline,
)


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
    """Epochs of linear warm-up, but no more than a fifth of a stage."""
    min_lr: float = 1e-6
    """Learning rate at the end of a stage."""
    patience: int = 5
    """Epochs without a better val AUC after which a stage ends."""
    steps_per_epoch: int | None = None
    """Batches of an epoch, after which it is validated and saved; left out: as many as
    show every image once. Fewer make less to lose of long epochs."""
    augment: bool = True
    """Flip and shift images, and erase rectangles of them, at random."""
    jpeg_augment: float = 0.0
    """Share of the training images, 0 to 1, that are compressed as JPEG, each at a
    quality of its own from 30 to 100 and on a grid of its own; part of `augment`."""
    jpeg_augment_per: JpegPer = "image"
    """Whether each image is compressed in its own way, or each batch; then
    `jpeg_augment` is the share of batches."""
    process_augment: float = 0.0
    """Share of the training images, 0 to 1, of both classes alike, that go through
    classical processing before they are cropped, drawn anew each epoch: resizing and
    back, enlarging, denoising, median, blur, sharpening, noise or JPEG. So that no
    photograph is called fake for that alone; part of `augment`."""
    max_images_per_class: int | None = None
    """Train on this many images a class only, for quick experiments."""
    shuffle_labels: bool = False
    """Control run: permute the labels of train and val. The test AUC must be .5."""
    mixed_precision: MixedPrecision = "auto"
    """auto is mixed_float16 on a GPU with tensor cores, float32 elsewhere."""
    pipeline: Pipeline = "auto"
    """Input pipeline; auto is tf on TensorFlow, grain elsewhere."""
    cache_gb: float | None = None
    """Gigabytes for decoded images; left out: half of the memory that is free."""
    distribute: Distribute = "none"
    """Train on all devices of this host, or of all hosts; the batch stays as large."""
    log_dir: str = "logs"
    """Directory of CSV logs, TensorBoard logs and the state of an unfinished run."""
    force: bool = False
    """Go on with an unfinished run although settings or images have changed."""
    jit_compile: bool | None = None
    """Compile with XLA or torch.compile; left out: on for JAX, off for the others."""
    seed: int = 0
    """Seed of weights, order, crops, augmentation and dropout."""
    verbose: int = 1
    """Progress of training: 0 nothing, 1 a bar, 2 a line an epoch."""

    def __post_init__(self):
        check_range("label_smoothing", self.label_smoothing, 0, 1)
        for name in ("weight_decay", "warmup_epochs", "min_lr"):
            check_range(name, getattr(self, name), 0)
        if self.cache_gb is not None:
            check_range("cache_gb", self.cache_gb, 0)
        for name in ("jpeg_augment", "process_augment"):
            share = getattr(self, name)
            check_range(name, share, 0, 1)
            if share and not self.augment:
                raise InputError(
                    f"`{name}` needs `augment`. "
                    f"Received: {name}={share}, augment={self.augment}"
                )
        check_positive("clipnorm", self.clipnorm)
        check_range("patience", self.patience, 1)
        for name in ("max_images_per_class", "steps_per_epoch"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)


CHANGE_NO_RESULT = ("log_dir", "force", "cache_gb", "pipeline", "verbose")
"""Options that say how, not what, is trained."""
