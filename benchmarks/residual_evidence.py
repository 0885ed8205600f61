"""What statistics of residuals would add to detectors that are trained already.

    python -m benchmarks.residual_evidence --data-dirs DIR --runs results/NAME

A linear classifier learns from co-occurrences of residuals, the features of classical
steganalysis, on all training images at their native resolution. Its logit is then added
to that of every finished run of `benchmarks.accuracy`, with the weight that is best on
val. What a run gains on test is evidence that it had not found by itself.
"""

import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from keras import ops
from PIL import Image
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from benchmarks.accuracy.images import group_of_each
from benchmarks.accuracy.runs import read_runs
from benchmarks.intervals import paired_auc_difference, student_interval
from benchmarks.record import write_result
from examples.deepfake_v3.evaluation.logits import to_logits
from examples.deepfake_v3.files.files import replacing
from examples.deepfake_v3.loading.data import ImageList, check_data_dir
from examples.deepfake_v3.loading.images import read_image
from keras_forensics.layers import SRMFilterBank

STEPS = (1, 2)  # quantisation of the residuals, in grey levels
TRUNCATION = 2  # of quantised residuals
LEVELS = 2 * TRUNCATION + 1
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # C of the classifier
WEIGHTS = np.linspace(0, 1, 41)  # relative to the spread of the run's own logits


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResidualEvidence:
    """Add what residual statistics say to what finished runs say."""

    data_dirs: tuple[str, ...]
    """Images, as data_dir/{train,val,test}/{real,fake}; groups.csv beside them, where
    there is one, gives the groups."""
    runs: tuple[str, ...]
    """For each of them, the folder of its runs that `benchmarks.accuracy` kept."""
    work_dir: str = "benchmarks/work/residual_evidence"
    """Features of the images."""
    results_dir: str = "benchmarks/results"
    """Where the table is written, as residual_evidence.json."""


@functools.cache
def orbits() -> tuple[np.ndarray, int]:
    """Which triples of residuals count as one, and how many are left.

    Read backwards, or with all signs turned, a triple says the same.
    """
    codes = np.arange(LEVELS**3).reshape([LEVELS] * 3)
    turned = codes[::-1, ::-1, ::-1]
    same = [codes, codes.transpose(2, 1, 0), turned, turned.transpose(2, 1, 0)]
    found, orbit = np.unique(np.min(same, axis=0), return_inverse=True)
    return orbit.ravel(), len(found)


def co_occurrences(residuals: np.ndarray) -> np.ndarray:
    """How often each triple of neighbours occurs, along rows and along columns.

    Args:
        residuals: Integers in -TRUNCATION..TRUNCATION, `(height, width, maps)`.

    Returns:
        Shares, `(maps * 2 * orbits,)`.
    """
    orbit, count = orbits()
    levels = np.moveaxis(residuals, -1, 0).astype(np.int64) + TRUNCATION
    shares = []
    for of_map in levels:
        for lines in (of_map, of_map.T):
            first, second, third = lines[:, :-2], lines[:, 1:-1], lines[:, 2:]
            codes = (first * LEVELS + second) * LEVELS + third
            counts = np.bincount(orbit[codes.ravel()], minlength=count)
            shares.append(counts / codes.size)
    return np.concatenate(shares)


def features_of(pixels: np.ndarray, bank: SRMFilterBank) -> np.ndarray:
    """Co-occurrences of residuals of luminance and colour, at every quantisation."""
    colours = np.asarray(Image.fromarray(pixels).convert("YCbCr"))
    residuals = ops.convert_to_numpy(bank(colours[None]))[0]
    quantised = [
        np.clip(np.rint(residuals / step), -TRUNCATION, TRUNCATION) for step in STEPS
    ]
    # The root makes the spread of rare and of frequent triples alike.
    return np.sqrt(np.concatenate([co_occurrences(maps) for maps in quantised]))


def read_features(images: ImageList, work_dir: str) -> np.ndarray:
    """Features of every image, `(images, features)`, kept among those of other runs."""
    digest = hashlib.sha256(images.fingerprints().tobytes()).hexdigest()
    path = Path(work_dir) / f"{digest}.npy"
    if not path.exists():
        bank = SRMFilterBank("v3", threshold=None, data_format="channels_last")
        features = [
            features_of(read_image(file), bank)
            # disable=None: a bar on a terminal only, not in log files.
            for file in tqdm(images.paths, "Residuals", disable=None)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            np.save(file, np.array(features, "float32"))
    return np.load(path)


def fit(
    features: dict[str, np.ndarray], images: dict[str, ImageList]
) -> dict[str, np.ndarray]:
    """Logits of val and test of the classifier whose penalty is best on val."""

    def fitted(penalty: float) -> Pipeline:
        return make_pipeline(
            StandardScaler(), LogisticRegression(C=penalty, solver="newton-cholesky")
        ).fit(features["train"], images["train"].labels)

    def val_auc(classifier: Pipeline) -> float:
        logits = classifier.decision_function(features["val"])
        return float(roc_auc_score(images["val"].labels, logits))

    best = max(map(fitted, PENALTIES), key=val_auc)
    return {split: best.decision_function(features[split]) for split in ("val", "test")}


def add_evidence(
    run: dict[str, Any], evidence: dict[str, np.ndarray], val_labels: np.ndarray
) -> tuple[np.ndarray, float]:
    """Logits of the test images with the evidence added, and its weight."""
    own = {split: to_logits(np.array(run[split])) for split in ("val", "test")}
    scale = own["val"].std() / evidence["val"].std()
    weight = max(
        WEIGHTS,  # of several that are as good, the first
        key=lambda weight: roc_auc_score(
            val_labels, own["val"] + weight * scale * evidence["val"]
        ),
    )
    return own["test"] + weight * scale * evidence["test"], float(weight)


def if_independent(*aucs: float) -> float:
    """AUC of the best sum of independent Gaussian evidence with these AUCs."""
    return float(norm.cdf(np.linalg.norm(norm.ppf(aucs))))


def runs_on_all_images(
    folder: str, images: dict[str, ImageList]
) -> dict[str, list[dict]]:
    """The runs on all images of a folder by variant, in the order of their seeds.

    Raises:
        ValueError: If there are none, or they scored other images.
    """

    def of_other_images(run: dict[str, Any]) -> str:
        if all(len(run[split]) == len(images[split]) for split in ("val", "test")):
            return ""
        return (
            "has scores of other images: `data_dirs` and `runs` must stand in the same "
            "order."
        )

    runs = {
        variant: list(by_seed.values())
        for (variant, count), by_seed in read_runs(
            Path(folder), of_other_images
        ).items()
        if count is None
    }
    if not runs:
        raise ValueError(
            "`runs` must be folders that `benchmarks.accuracy` kept its runs in. "
            f"Received: {folder}"
        )
    return runs


def rows_of(
    name: str,
    images: dict[str, ImageList],
    evidence: dict[str, np.ndarray],
    runs: dict[str, list[dict]],
    groups: np.ndarray,
) -> list[list]:
    """One row for each variant of a folder of runs."""
    labels = images["test"].labels
    alone = float(roc_auc_score(labels, evidence["test"]))
    rows = []
    for variant, of_variant in runs.items():
        own = [to_logits(np.array(run["test"])) for run in of_variant]
        added, weights = zip(
            *(add_evidence(run, evidence, images["val"].labels) for run in of_variant),
            strict=True,
        )
        aucs, sums = (
            [float(roc_auc_score(labels, scores)) for scores in them]
            for them in (own, added)
        )
        by_seed, (low, high) = paired_auc_difference(added, own, labels, groups)
        rows.append(
            [
                name,
                round(alone, 4),
                variant,
                len(of_variant),
                student_interval(aucs),
                student_interval(sums),
                f"{if_independent(alone, float(np.mean(aucs))):.3f}",
                f"{np.mean(by_seed):+.4f} ({low:+.4f} to {high:+.4f})",
                ", ".join(f"{weight:.3g}" for weight in weights),
            ]
        )
    return rows


def main(benchmark: ResidualEvidence) -> None:
    """Measures every folder of runs, then writes the table.

    Raises:
        ValueError: If there are not as many folders as data directories.
    """
    if len(benchmark.data_dirs) != len(benchmark.runs):
        raise ValueError(
            "`runs` must name one folder for each of `data_dirs`. "
            f"Received: data_dirs={benchmark.data_dirs}, runs={benchmark.runs}"
        )

    # Several folders may be of the same images.
    lists = {data_dir: check_data_dir(data_dir) for data_dir in benchmark.data_dirs}
    # Before what takes long.
    folders = [
        (data_dir, Path(folder).name, runs_on_all_images(folder, lists[data_dir]))
        for data_dir, folder in zip(benchmark.data_dirs, benchmark.runs, strict=True)
    ]

    @functools.cache
    def evidence_of(data_dir: str) -> dict[str, np.ndarray]:
        features = {
            split: read_features(images, benchmark.work_dir)
            for split, images in lists[data_dir].items()
        }
        return fit(features, lists[data_dir])

    rows: list[list] = []
    for data_dir, name, runs in folders:
        images = lists[data_dir]
        groups = group_of_each([data_dir], images["test"])
        name = name.removeprefix("accuracy_")
        rows += rows_of(name, images, evidence_of(data_dir), runs, groups)
    write_table(benchmark, rows)


def write_table(benchmark: ResidualEvidence, rows: list[list]) -> None:
    """Writes the rows of all folders."""
    write_result(
        Path(benchmark.results_dir) / "residual_evidence.json",
        title="What residual statistics add to trained detectors",
        what=(
            "AUC on the test images. Alone: a logistic regression on co-occurrences of "
            "three neighbouring residuals of the V3 bank, of luminance and both colour "
            f"differences, quantised in steps of {' and '.join(map(str, STEPS))} grey "
            f"levels, truncated at {TRUNCATION} steps, trained on all training images "
            "at native resolution, its penalty chosen on val. With them: its logit is "
            "added to that of each run, with the weight that is best on val, relative "
            "to the spread of the run's own logits. If independent: what the sum would "
            "have, were both Gaussian and independent in each class. Mean ± 95 % "
            "interval over seeds; the difference with its 95 % bootstrap interval over "
            "test images, drawn by group."
        ),
        columns=[
            "runs",
            "alone",
            "variant",
            "seeds",
            "their AUC",
            "with them",
            "if independent",
            "difference",
            "weights",
        ],
        rows=rows,
        notes="The test images chose neither penalty nor weights.",
    )


if __name__ == "__main__":
    main(tyro.cli(ResidualEvidence))
