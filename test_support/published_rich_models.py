"""Whole counts of the published rich models, from the package sealwatch.

Residuals, extremes, quantisation and symmetries are those of the package, whose spatial
rich model equals its authors' MATLAB code. Only the counting of tuples is replaced, by
one that does not divide by their number, so that features are whole numbers.

    pip install "keras-forensics[reference]"
"""

import importlib
import sys
import tempfile
import types
from pathlib import Path

import numpy as np

STEPS = [[1, 2], *[[1, 1.5, 2]] * 4]
"""Quantisation steps of the five families of the spatial rich model."""


def import_sealwatch():
    """Imports sealwatch without torchvision.

    That is needed by its networks only, of which none is used here, and cannot be
    imported where it was built for another torch.

    Raises:
        ImportError: If sealwatch is not installed.
    """
    transforms = types.ModuleType("torchvision.transforms")
    transforms.Grayscale = object  # from which one of the networks derives
    torchvision = types.ModuleType("torchvision")
    torchvision.transforms = transforms
    stand_ins = {module.__name__: module for module in (torchvision, transforms)}
    found = {name: sys.modules[name] for name in stand_ins if name in sys.modules}
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("sealwatch")
    finally:
        for name in stand_ins:
            del sys.modules[name]
        sys.modules.update(found)


def count_tuples(which: str):
    """Returns a replacement of sealwatch's counting.

    Args:
        which: `"hor"` or `"ver"` for tuples of neighbours in that direction, or
            `"colours"`.
    """

    def count(levels, direction, truncation):
        bins = 2 * truncation + 1
        if which == "colours":
            neighbours = np.moveaxis(levels, 2, 0)
        elif direction != which:
            return np.zeros((bins,) * 4, int)
        else:
            axis = int(direction == "hor")
            size = levels.shape[axis] - 3
            neighbours = [
                np.take(levels, range(start, start + size), axis) for start in range(4)
            ]
        code = 0
        for each in neighbours:
            code = bins * code + each.astype(int) + truncation
        order = len(neighbours)
        return np.bincount(code.ravel(), minlength=bins**order).reshape((bins,) * order)

    return count


def count_srm(pixels: np.ndarray, which: str, steps=STEPS) -> dict[str, np.ndarray]:
    """Whole features of every submodel, of tuples along `"hor"` or `"ver"`."""
    srm = import_sealwatch().srm
    cooccurrence, symm = srm.cooccurrence, srm.symm
    families = ("1st", "2nd", "3rd", "3x3", "5x5")
    counted: dict = {}
    for family, divisor, chosen in zip(families, (1, 2, 3, 4, 12), steps, strict=True):
        compute = getattr(cooccurrence, f"all{family}")
        name = f"f{family.removesuffix('st').removesuffix('nd').removesuffix('rd')}"
        for step in chosen:
            cubes = compute(
                pixels.astype(int), step * divisor, CoocN=count_tuples(which)
            )
            counted = symm.post_process(cubes, name, step, counted)
    return counted


def count_colours(image: np.ndarray) -> dict[str, np.ndarray]:
    """Whole features of every submodel, both directions counted as published."""
    crm = import_sealwatch().crm
    kept = crm.Cooc3
    crm.Cooc3 = count_tuples("colours")
    try:
        return crm.extract(image, Tc=3)
    finally:
        crm.Cooc3 = kept


def spam(pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Features as sealwatch normalises them, in float64."""
    sealwatch = import_sealwatch()
    with sealwatch.BACKEND_PYTHON:
        return dict(sealwatch.spam.extract(pixels))


def dctr(pixels: np.ndarray, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Unrounded pixels of a grey image's JPEG file, and their features, in float64."""
    from PIL import Image  # not needed to import this file

    sealwatch = import_sealwatch()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "image.jpg")
        Image.fromarray(pixels).save(path, quality=quality)
        unrounded = sealwatch.tools.jpeg.decompress_from_file(path)
        features = sealwatch.dctr.extract_from_file(path, qf=quality)
    return unrounded, np.concatenate([*features.values()])


def gfr(pixels: np.ndarray, steps) -> np.ndarray:
    """Features of unrounded pixels, in float64, in the published order."""
    features = import_sealwatch().gfr.extract(pixels, quantization_steps=steps)
    return features.ravel()


def frequencies(counts: np.ndarray, name: str, total: int) -> np.ndarray:
    """Counts of a submodel, divided as published.

    Args:
        counts: Whole features.
        name: Of the submodel.
        total: To what each of its histograms sums.
    """
    # These have two histograms, each of its own filters or its own directions.
    parts = 2 if "hv_q" in name or "spam11" in name else 1
    halves = np.split(counts.astype("float64"), parts)
    return np.concatenate([total * part / part.sum() for part in halves])
