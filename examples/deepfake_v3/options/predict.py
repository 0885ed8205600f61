"""The options of `predict`, on this machine or on many."""

import dataclasses
from typing import Literal

import tyro

from examples.deepfake_v3.checks import check_positive, check_range
from examples.deepfake_v3.errors import InputError
from examples.deepfake_v3.options.choices import OVERLAP, SECONDS, RuntimeName

Format = Literal["table", "jsonl", "csv"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Score images with a saved detector.

    The exit code is 0 if all images were scored, 3 if some files could not be read.
    """

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Files, folders (with their subfolders), globs in quotes, or - for a list of
    paths, one a line, on standard input."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The model: a .keras file that train, fine-tune or calibrate has written, or what
    export made of it (.onnx, .tflite, or OpenVINO's folder)."""
    runtime: RuntimeName | None = None
    """Score without Keras, in this runtime, with what export wrote to exports/ of the
    model at model_path; left out: with the file at model_path."""
    expected_sha256: str | None = None
    """Hash of the model file, kept elsewhere; any other file is refused."""
    format: Format = "table"
    """A table to read, JSON lines or CSV."""
    output: str | None = None
    """File to write to, whole or not at all; left out: standard output."""
    tiles: bool = False
    """Look at all of each image, in tiles of the model's input size at native
    resolution, instead of at its centre."""
    overlap: float = OVERLAP
    """Share of a tile's side that its neighbour covers, at the least."""
    maps_dir: str | None = None
    """With tiles: directory for a heat map of each image."""
    batch_size: int | None = None
    """Crops a batch to start with; left out: estimated. Halved when memory is short."""
    decode_seconds: float = SECONDS
    """How long one file may be decoded."""
    engine: Literal["local", "ray"] = "local"
    """On this machine, or on Ray Data: sources may then also be bucket paths and
    Parquet lists with a column "file", and output is a directory of Parquet shards."""
    shard_files: int = 1000
    """Ray: files a shard. Finished shards are not scored again."""
    ray_workers: int = 2
    """Ray: workers, each with a model of its own."""
    ray_cpus: float = 1.0
    """Ray: cores that are kept for a worker."""
    ray_gpus: float = 0.0
    """Ray: GPUs that are kept for a worker; a fraction shares one."""
    ray_address: str | None = None
    """Ray: address of a cluster; left out, RAY_ADDRESS, or a cluster of this machine
    alone."""

    def __post_init__(self):
        if not self.sources:
            raise InputError(
                "`sources` must name what to score: files, folders, globs or '-'. "
                "Received: sources=()"
            )
        check_range("overlap", self.overlap, 0, 0.9)
        if self.batch_size is not None:
            check_range("batch_size", self.batch_size, 1)
        check_range("shard_files", self.shard_files, 1)
        check_range("ray_workers", self.ray_workers, 1)
        check_range("ray_cpus", self.ray_cpus, 0.01)
        check_range("ray_gpus", self.ray_gpus, 0)
        check_positive("decode_seconds", self.decode_seconds)
        if self.maps_dir is not None and not self.tiles:
            raise InputError(
                "`maps_dir` needs `tiles`, whose scores are in the maps. "
                f"Received: maps_dir={self.maps_dir!r}, tiles=False"
            )
