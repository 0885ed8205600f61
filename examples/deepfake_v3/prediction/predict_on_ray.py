"""Scores a corpus that outgrows one machine, on Ray Data.

The list of files is cut into shards. A shard is a row of a Ray dataset; an actor of
each worker holds the model and writes the scores of a shard as one Parquet file. What
Ray does is to place the actors, hand out the shards, and give those of a worker that
died to another. A shard that is written is not scored again by the same command.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import keras
import numpy as np

from examples.deepfake_v3.errors import InputError, MissingPackageError, NotThereError
from examples.deepfake_v3.loading.images import MAX_BYTES, UnusableImageError
from examples.deepfake_v3.options.predict import PredictConfig
from examples.deepfake_v3.prediction.prediction import Prediction, as_row
from examples.deepfake_v3.prediction.sources import IMAGE_EXTENSIONS, find_files

LIST_COLUMN = "file"  # of a Parquet list, and of the results
OBJECT_STORE_BYTES = 2**28  # of a cluster started here, which only passes the model
DOWNLOADS = 8  # at a time, of a worker

with contextlib.suppress(ImportError):
    import pyarrow as pa
    import pyarrow.dataset
    import pyarrow.parquet as pq
    from pyarrow import fs


class Streaming(Protocol):
    """What scores files one after the other, as `Detector.stream` does."""

    def stream(
        self,
        images: Iterable[str],
        *,
        tiles: bool,
        overlap: float,
        batch_size: int | None,
        seconds: float,
    ) -> Iterator[Prediction]: ...


Load = Callable[[Path, str | None], Streaming]
"""Makes one of a model file and the hash that it must have, if that is known."""


def predict_on_ray(
    config: PredictConfig, load: Load
) -> tuple[list[tuple[str, str]], int]:
    """Scores all files of the sources, but for shards that are written already.

    Args:
        config: The command's options.
        load: Loads the model, here and in every worker.

    Returns:
        `(file, reason)` of each file that could not be read, and the number of all.

    Raises:
        FileNotFoundError: If there is no model, or nothing to score.
        ImportError: If Ray is not installed.
        ValueError: If `output` is missing, or holds the results of another run.
    """
    ray = _import_ray()
    if Path(config.model_path).is_dir():
        raise InputError(
            "`engine='ray'` sends one file to its workers, and OpenVINO's model is a "
            "folder. Take the .onnx, .tflite or .keras file. Received: "
            f"model_path={config.model_path!r}"
        )
    if config.output is None or config.maps_dir is not None:
        raise InputError(
            "`engine='ray'` needs `output`, a directory or bucket path for the shards, "
            "and writes score maps there instead of to `maps_dir`. Received: "
            f"output={config.output!r}, maps_dir={config.maps_dir!r}"
        )
    # Here first: what is wrong with the model is said once, not by each worker.
    load(Path(config.model_path), config.expected_sha256)
    model = Path(config.model_path).read_bytes()
    files = _find_files(config.sources)
    shards = [
        files[start : start + config.shard_files]
        for start in range(0, len(files), config.shard_files)
    ]
    output = ShardedOutput(config.output)
    output.claim(
        {
            "model": hashlib.sha256(model).hexdigest(),
            "files": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
            "shard_files": config.shard_files,
            "tiles": config.tiles,
            "overlap": config.overlap if config.tiles else None,
        }
    )
    missing = [
        number
        for number, listed in enumerate(shards)
        if not output.holds(number, len(listed))
    ]
    print(f"{len(files)} files in {len(shards)} shards, {len(missing)} to be scored.")
    if missing:
        _score(
            ray, config, load, model, [(number, shards[number]) for number in missing]
        )
    return output.unreadable(), len(files)


def _import_ray() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingPackageError(
            "`engine='ray'` needs Ray Data: pip install 'ray[data]', or "
            "pip install -e '.[ray]' in a checkout. Received: engine='ray'"
        ) from error
    return ray


def _score(
    ray: Any,
    config: PredictConfig,
    load: Load,
    model: bytes,
    shards: Sequence[tuple[int, list[str]]],
) -> None:
    with _cluster(ray, config):
        dataset = ray.data.from_items(
            # As JSON: names need not be valid UTF-8, which Arrow's strings are.
            [{"shard": n, "files": json.dumps(listed)} for n, listed in shards],
            override_num_blocks=len(shards),  # each can go to another worker
        )
        done = dataset.map_batches(
            ShardScorer,
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=config.ray_workers),
            num_cpus=config.ray_cpus,
            num_gpus=config.ray_gpus or None,
            fn_constructor_args=[ray.put(model), config, load],
        )
        # Consuming it is what runs it; Ray shows its own progress.
        for _ in done.iter_batches(batch_size=None):
            pass


@contextlib.contextmanager
def _cluster(ray: Any, config: PredictConfig) -> Iterator[None]:
    """The cluster of this process, that which is named, or one made here."""
    if ray.is_initialized():
        yield
        return
    root = Path(__file__).parents[3]
    options: dict[str, Any] = {
        # The code goes along; what it needs must be installed on every node.
        "runtime_env": {
            "py_modules": [str(root / "examples"), str(root / "keras_forensics")],
            "env_vars": {"KERAS_BACKEND": keras.backend.backend()},
        }
    }
    if config.ray_address is not None:
        options["address"] = config.ray_address
    elif "RAY_ADDRESS" not in os.environ:
        options |= {
            "num_cpus": max(1, round(config.ray_workers * config.ray_cpus)),
            "object_store_memory": OBJECT_STORE_BYTES,
            "include_dashboard": False,
        }
    ray.init(**options)
    try:
        yield
    finally:
        ray.shutdown()


class ShardScorer:
    """What each worker runs: holds one model, scores shards, writes them.

    Args:
        model: Reference to the bytes of the model file.
        config: The command's options.
        load: Makes of it what scores files.
    """

    def __init__(self, model: Any, config: PredictConfig, load: Load):
        import ray

        content = ray.get(model) if isinstance(model, ray.ObjectRef) else model
        with tempfile.TemporaryDirectory() as directory:
            # Its name says which runtime it is for.
            path = Path(directory, Path(config.model_path).name)
            path.write_bytes(content)
            self.scorer = load(path, config.expected_sha256)
        self.config = config
        self.output = ShardedOutput(str(config.output))

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for number, listed in zip(batch["shard"], batch["files"], strict=True):
            files = json.loads(listed)
            with tempfile.TemporaryDirectory() as directory:
                local = _download(files, Path(directory))
                rows = self._score(files, local)
            self.output.write(int(number), rows)
        return {"shard": batch["shard"]}

    def _score(
        self, files: list[str], local: list[str | UnusableImageError]
    ) -> list[dict[str, Any]]:
        predictions = self.scorer.stream(
            [place for place in local if isinstance(place, str)],
            tiles=self.config.tiles,
            overlap=self.config.overlap,
            batch_size=self.config.batch_size,
            seconds=self.config.decode_seconds,
        )
        return [
            as_row(
                next(predictions)
                if isinstance(place, str)
                else Prediction(file=file, error=str(place))
            )
            | {"file": file}
            for file, place in zip(files, local, strict=True)
        ]


class ShardedOutput:
    """A directory, here or in a bucket, with a Parquet file a shard.

    Args:
        root: Path, or URI such as `s3://bucket/scores`.
    """

    def __init__(self, root: str):
        if "://" not in root:
            root = Path(root).absolute().as_uri()
        self.filesystem, self.root = fs.FileSystem.from_uri(root)

    def claim(self, settings: dict[str, Any]) -> None:
        """Notes what the shards are of.

        Raises:
            ValueError: If there are some of something else.
        """
        self.filesystem.create_dir(self.root, recursive=True)
        path = f"{self.root}/run.json"
        if self.filesystem.get_file_info(path).type == fs.FileType.NotFound:
            self._put(path, lambda out: out.write(json.dumps(settings).encode()))
            return
        with self.filesystem.open_input_stream(path) as file:
            before = json.loads(file.read())
        if changed := [name for name in settings if before.get(name) != settings[name]]:
            raise InputError(
                f"{self.root} holds shards of another run, which differs in: "
                f"{', '.join(changed)}. Give that one's model, files and options to go "
                f"on with it, or another `output`. Received: output={self.root!r}"
            )

    def holds(self, number: int, rows: int) -> bool:
        """Whether a shard is there, with so many rows."""
        path = self._path(number)
        if self.filesystem.get_file_info(path).type != fs.FileType.File:
            return False
        try:
            with self.filesystem.open_input_file(path) as file:
                return pq.read_metadata(file).num_rows == rows
        except (pa.ArrowException, OSError):
            return False  # damaged: scored again

    def write(self, number: int, rows: list[dict[str, Any]]) -> None:
        """Writes a shard, whole or not at all."""
        for row in rows:  # Arrow's strings are UTF-8
            row["file"] = row["file"].encode(errors="backslashreplace").decode()
        table = pa.Table.from_pylist(rows, _schema())
        self._put(self._path(number), lambda out: pq.write_table(table, out))

    def unreadable(self) -> list[tuple[str, str]]:
        """`(file, reason)` of all files without a score, from all shards."""
        dataset = pa.dataset.dataset(
            self.root,
            filesystem=self.filesystem,
            format="parquet",
            exclude_invalid_files=True,
        )
        found = dataset.to_table(
            columns=["file", "error"], filter=pa.dataset.field("error").is_valid()
        )
        return [(row["file"], row["error"]) for row in found.to_pylist()]

    def _path(self, number: int) -> str:
        return f"{self.root}/part-{number:06}.parquet"

    def _put(self, path: str, write: Any) -> None:
        # Of its own name: another worker may be at the same shard, if this one was
        # given up too early. Both write the same. Hidden until it is whole.
        partial = str(PurePosixPath(path).with_name(f".partial-{uuid.uuid4().hex}"))
        with self.filesystem.open_output_stream(partial) as out:
            write(out)
        self.filesystem.move(partial, path)


def _schema() -> "pa.Schema":
    places = pa.list_(pa.int64())
    tiles = {
        "side": pa.int64(),
        "tops": places,
        "lefts": places,
        "scores": pa.list_(pa.list_(pa.float64())),
    }
    return pa.schema(
        {
            "file": pa.string(),
            "score": pa.float64(),
            "verdict": pa.string(),
            "probability": pa.float64(),
            "threshold": pa.float64(),
            "why": pa.string(),
            "width": pa.int64(),
            "height": pa.int64(),
            "seen": pa.float64(),
            "enlarged": pa.float64(),
            "warnings": pa.list_(pa.string()),
            "marks": pa.list_(pa.string()),
            "error": pa.string(),
            "max_score": pa.float64(),
            "tiles": pa.struct(tiles),
        }
    )


def _find_files(sources: Iterable[str]) -> list[str]:
    """The files that sources stand for, those in buckets and Parquet lists, too."""
    found: list[str] = []
    for source in sources:
        if source.endswith(".parquet"):
            found += [
                file if "://" in file else os.path.abspath(file)
                for file in _read_list(source)
            ]
        elif "://" in source:
            found += _list_bucket(source)
        else:
            # Workers have another working directory.
            found += [
                file if "://" in file else os.path.abspath(file)
                for file in find_files([source]).files
            ]
    if not found:
        raise NotThereError(
            f"There is nothing to score. Received: sources={tuple(sources)}"
        )
    return list(dict.fromkeys(found))  # each once


def _read_list(source: str) -> list[str]:
    filesystem, path = _locate(source)
    with filesystem.open_input_file(path) as file:
        names = pq.read_schema(file).names
        if LIST_COLUMN not in names:
            raise InputError(
                f"A Parquet list must have a column {LIST_COLUMN!r} of paths. "
                f"Received: {source!r} with columns {names}"
            )
        return pq.read_table(file, columns=[LIST_COLUMN])[LIST_COLUMN].to_pylist()


def _list_bucket(source: str) -> list[str]:
    filesystem, path = _locate(source)
    # What from_uri takes away: s3://, or file:// alone.
    scheme = source.partition("://")[0] + "://"
    found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    return sorted(
        scheme + info.path
        for info in found
        if info.type == fs.FileType.File
        and PurePosixPath(info.path).suffix.lower() in IMAGE_EXTENSIONS
    )


def _locate(source: str) -> "tuple[fs.FileSystem, str]":
    if "://" not in source:
        source = Path(source).absolute().as_uri()
    return fs.FileSystem.from_uri(source)


def _download(files: Sequence[str], directory: Path) -> list[str | UnusableImageError]:
    """Local paths of files, or why they cannot be had."""

    def fetch(item: tuple[int, str]) -> str | UnusableImageError:
        number, file = item
        if "://" not in file:
            return file
        local = directory / f"{number:06}"
        try:
            filesystem, path = _locate(file)
            size = filesystem.get_file_info(path).size
            if size is not None and size > MAX_BYTES:
                return UnusableImageError(f"too large: {size} bytes")
            with filesystem.open_input_stream(path) as source:
                local.write_bytes(source.read())
        except (OSError, pa.ArrowException) as error:
            return UnusableImageError(f"not readable: {error}")
        return str(local)

    with ThreadPoolExecutor(DOWNLOADS) as pool:
        return list(pool.map(fetch, enumerate(files)))
