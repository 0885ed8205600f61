"""From `data_dir/{train,val,test}/{real,fake}` to batches of grey levels.

Every file is opened once before training. Files that cannot be used are quarantined:
listed with the reason and left out. Layouts that would make a result meaningless stop
the run.
"""

import csv
import dataclasses
import hashlib
import os
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from examples.deepfake_v3.files import replacing

CLASS_NAMES = ("real", "fake")  # label 0, label 1, whatever the alphabet says
SPLITS = ("train", "val", "test")
Pipeline = Literal["auto", "tf", "grain"]
EXTENSIONS = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},  # a phone's JPEG with a preview behind it
    "PNG": {".png"},
    "WEBP": {".webp"},
    "BMP": {".bmp"},
    "TIFF": {".tif", ".tiff"},
}
DECODE_THREADS = os.cpu_count() or 1

# Past Pillow's limit of pixels, refuse the file before it is decoded.
warnings.simplefilter("error", Image.DecompressionBombWarning)
# Keras says so at the end of every Grain dataset, since it does not ask its length.
warnings.filterwarnings("ignore", message="Your input ran out of data")


class UnusableImageError(ValueError):
    """A file that cannot be used as an image; the message says why."""


@dataclasses.dataclass(frozen=True)
class ImageList:
    """The usable images of one split.

    Attributes:
        paths: Files, those of class 0 first.
        labels: Integer array of the same length, real = 0 and fake = 1.
    """

    paths: tuple[Path, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.paths)

    def class_weights(self) -> np.ndarray:
        """Weights `[real, fake]` that make both count alike: `n / (2 * n_class)`."""
        return len(self) / (2 * np.bincount(self.labels, minlength=2))

    def fingerprint(self) -> str:
        """A hash of the files' names and labels, in order."""
        listed = "\n".join(
            f"{path} {label}"
            for path, label in zip(self.paths, self.labels, strict=True)
        )
        return hashlib.sha256(listed.encode()).hexdigest()

    def with_shuffled_labels(self, seed: int) -> "ImageList":
        """The same images with permuted labels: a control without a signal."""
        labels = np.random.default_rng(seed).permutation(self.labels)
        return dataclasses.replace(self, labels=labels)

    def limited(self, images_per_class: int | None, seed: int) -> "ImageList":
        """At most `images_per_class` images of each class, drawn at random."""
        if images_per_class is None:
            return self
        rng = np.random.default_rng(seed)
        chosen = np.sort(
            np.concatenate(
                [
                    rng.permutation(np.flatnonzero(self.labels == label))[
                        :images_per_class
                    ]
                    for label in (0, 1)
                ]
            )
        )
        return ImageList(tuple(self.paths[i] for i in chosen), self.labels[chosen])


def read_image(source) -> np.ndarray:
    """Decodes an image to RGB.

    Args:
        source: Path or binary file.

    Returns:
        Array of shape `(height, width, 3)`, uint8, upright (EXIF orientation applied).

    Raises:
        UnusableImageError: If it is no image, is truncated, too large or animated.
    """
    try:
        with Image.open(source) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise UnusableImageError(f"animated, {frames} frames")
            upright = ImageOps.exif_transpose(image)
            if upright.mode == "F":
                raise UnusableImageError("floating-point pixels, of unknown range")
            if upright.mode.startswith("I"):  # convert() would clip more than 8 bits
                levels = np.asarray(upright)
                if levels.min() < 0 or levels.max() > 0xFFFF:
                    raise UnusableImageError("more than 16 bits a pixel")
                upright = Image.fromarray((levels >> 8).astype("uint8"))
            return np.asarray(upright.convert("RGB"))
    except UnusableImageError:
        raise
    except Exception as error:  # Pillow's plugins raise what they like
        raise UnusableImageError(f"not readable: {error}") from error


def check_data_dir(
    data_dir: str | Path,
    splits: Sequence[str] = SPLITS,
    report_path: str | Path | None = None,
) -> dict[str, ImageList]:
    """Opens every file once and returns the usable ones.

    Args:
        data_dir: Directory with `{train,val,test}/{real,fake}`.
        splits: The splits to read.
        report_path: CSV file for the quarantine report (file, reason); none is
            written without it.

    Returns:
        `{split: ImageList}`.

    Raises:
        FileNotFoundError: If a directory is missing.
        ValueError: If a class has no usable image, or the same content stands in two
            splits or in both classes.
    """
    data_dir = Path(data_dir)
    folders = {
        (split, label): data_dir / split / name
        for split in splits
        for label, name in enumerate(CLASS_NAMES)
    }
    missing = [str(folder) for folder in folders.values() if not folder.is_dir()]
    if missing:
        raise FileNotFoundError(
            f"`data_dir` must hold {{{','.join(splits)}}}/{{{','.join(CLASS_NAMES)}}}. "
            f"Missing: {', '.join(missing)}. Received: data_dir={str(data_dir)!r}"
        )
    files = [
        (path, split, label)
        for (split, label), folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if not path.is_dir() and not _is_hidden(path.relative_to(folder))
    ]
    with ThreadPoolExecutor(DECODE_THREADS) as pool:
        checked = pool.map(_check_file, [path for path, _, _ in files])
        results = list(
            # disable=None: a bar on a terminal only, not in log files.
            tqdm(checked, "checking images", len(files), unit="file", disable=None)
        )

    quarantine = [
        (path, reason)
        for (path, _, _), (_, reason) in zip(files, results, strict=True)
        if reason
    ]
    if report_path is not None:
        _write_quarantine(quarantine, Path(report_path))
    usable = [
        (*file, digest)
        for file, (digest, reason) in zip(files, results, strict=True)
        if not reason
    ]
    _refuse_repeated_content(usable)
    lists = {}
    for split in splits:
        chosen = [(path, label) for path, s, label, _ in usable if s == split]
        for label, name in enumerate(CLASS_NAMES):
            if label not in {chosen_label for _, chosen_label in chosen}:
                raise ValueError(
                    f"No usable image in {folders[split, label]} "
                    f"({len(quarantine)} files are quarantined"
                    + (f", see {report_path}" if report_path else "")
                    + "). Put images of class "
                    f"{name!r} there: {', '.join(sorted(EXTENSIONS))}."
                )
        lists[split] = ImageList(
            tuple(path for path, _ in chosen),
            np.array([label for _, label in chosen], "int64"),
        )
    counts = ", ".join(
        f"{split} {np.bincount(images.labels).tolist()}"
        for split, images in lists.items()
    )
    print(f"Images [real, fake]: {counts}; {len(quarantine)} files quarantined.")
    return lists


def _check_file(path: Path) -> tuple[str, str]:
    """Returns `(hash of the pixels, reason for quarantine or "")`."""
    try:
        with Image.open(path) as image:
            kind = image.format
        if kind not in EXTENSIONS:
            raise UnusableImageError(f"{kind} is not one of {sorted(EXTENSIONS)}")
        if path.suffix.lower() not in EXTENSIONS[kind]:
            raise UnusableImageError(f"wrongly named: the content is {kind}")
        pixels = read_image(path)
    except UnusableImageError as error:
        return "", str(error)
    except Exception as error:  # a broken file must not end the run
        return "", f"not readable: {error}"
    size = f"{pixels.shape}".encode()
    return hashlib.sha256(size + pixels.tobytes()).hexdigest(), ""


def _is_hidden(path: Path) -> bool:
    """Whether a file, or a folder on its way, is hidden: `.ipynb_checkpoints`."""
    return any(part.startswith(".") for part in path.parts)


def _refuse_repeated_content(usable: Iterable[tuple[Path, str, int, str]]) -> None:
    first: dict[str, tuple[Path, str, int]] = {}
    repeated = []
    for path, split, label, digest in usable:
        other_path, other_split, other_label = first.setdefault(
            digest, (path, split, label)
        )
        if (split, label) != (other_split, other_label):
            repeated.append(f"{other_path} = {path}")
    if repeated:
        more = f" and {len(repeated) - 5} more" if len(repeated) > 5 else ""
        raise ValueError(
            "The same image content stands in two splits or in both classes, so a "
            "test on it means nothing. Remove one of each pair: "
            f"{'; '.join(repeated[:5])}{more}"
        )


def _write_quarantine(rows: Iterable[tuple[Path, str]], report_path: Path) -> None:
    with (
        replacing(report_path) as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(("file", "reason"))
        writer.writerows(rows)


def crop_to_size(
    image: np.ndarray, size: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """Crops a square without interpolation; only smaller images are enlarged.

    Args:
        image: Array of shape `(height, width, 3)`, uint8.
        size: Side of the square in pixels.
        rng: Draws the position of the crop; the centre without it.

    Returns:
        Array of shape `(size, size, 3)`, uint8.
    """
    height, width = image.shape[:2]
    if min(height, width) < size:
        scale = size / min(height, width)
        width, height = round(width * scale), round(height * scale)
        enlarged = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        image = np.asarray(enlarged)
    room = (height - size, width - size)
    top, left = (
        (free // 2 if rng is None else int(rng.integers(free + 1))) for free in room
    )
    return image[top : top + size, left : left + size]


def choose_pipeline(pipeline: Pipeline = "auto") -> str:
    """Returns `"tf"` or `"grain"`; `"auto"` is `"tf"` on the TensorFlow backend."""
    if pipeline == "auto":
        return "tf" if keras.backend.backend() == "tensorflow" else "grain"
    if pipeline not in ("tf", "grain"):
        raise ValueError(
            '`pipeline` must be "auto", "tf" or "grain". '
            f"Received: pipeline={pipeline!r}"
        )
    return pipeline


def make_dataset(
    images: ImageList,
    *,
    image_size: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    pipeline: Pipeline = "auto",
):
    """Makes a dataset for `fit`, `evaluate` and `predict`.

    Args:
        images: The images of one split.
        image_size: Side in pixels of the square that is cropped from each.
        batch_size: Images a batch.
        training: If `True`, shuffled anew in each epoch and cropped at random
            positions, without end (`fit` needs `steps_per_epoch`). Otherwise once,
            in the order of `images.paths`, cropped at the centre.
        seed: Seed of order and crops.
        pipeline: `"tf"`, `"grain"`, or `"auto"`.

    Returns:
        Dataset of `(pixels, labels, weights)`: float32 `(batch, image_size,
        image_size, 3)` in grey levels 0..255, and float32 `(batch,)` twice. Weights
        are the class weights in training and 1 otherwise.
    """
    # As sample weights: Keras takes no `class_weight` with Grain datasets.
    weights = images.class_weights() if training else np.ones(2)

    def load(index, rng):
        pixels = crop_to_size(read_image(images.paths[index]), image_size, rng)
        label = images.labels[index]
        return (
            pixels.astype("float32"),
            np.float32(label),
            np.float32(weights[label]),
        )

    if choose_pipeline(pipeline) == "grain":
        return _grain_dataset(load, len(images), batch_size, training, seed)
    return _tf_dataset(load, len(images), image_size, batch_size, training, seed)


def _grain_dataset(load, count, batch_size, training, seed):
    import grain

    dataset = grain.MapDataset.range(count).seed(seed)
    if training:
        dataset = dataset.shuffle().random_map(load)
    else:
        dataset = dataset.map(lambda index: load(index, None))
    dataset = dataset.batch(batch_size)
    if training:
        dataset = dataset.repeat()
    return dataset.to_iter_dataset(grain.ReadOptions(num_threads=DECODE_THREADS))


def _tf_dataset(load, count, image_size, batch_size, training, seed):
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        # TensorFlow only reads files here: leave the memory of the GPU to the backend.
        tf.config.set_visible_devices([], "GPU")

    def decode(index, draw):
        pixels, label, weight = tf.numpy_function(
            lambda index, draw: load(
                index, np.random.default_rng(draw) if training else None
            ),
            [index, draw],
            (tf.float32, tf.float32, tf.float32),
        )
        pixels.set_shape((image_size, image_size, 3))
        label.set_shape(())
        weight.set_shape(())
        return pixels, label, weight

    indices = tf.data.Dataset.range(count)
    if training:
        indices = indices.shuffle(count, seed=seed)
    # One draw an image, so that parallel decoding stays deterministic.
    draws = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    dataset = tf.data.Dataset.zip(indices, draws)
    dataset = dataset.map(decode, num_parallel_calls=DECODE_THREADS)
    dataset = dataset.batch(batch_size)
    if training:
        dataset = dataset.repeat()
    return dataset.prefetch(2)
