"""The options of `package`."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class PackageConfig:
    """Make a folder for a model hub: model, card, figures, evaluation, licence note."""

    output_dir: str
    """The folder; it must not exist yet."""
    license: str
    """Licence of the weights, as hubs spell it: apache-2.0, cc-by-nc-4.0, other."""
    model_path: str = "models/deepfake_detector_v3_final.keras"
    """The trained model, a .keras file, with its card beside it."""
    reports_dir: str = "reports"
    """Where `evaluate` has written evaluation.json and the figures of this model."""
    datasets: tuple[str, ...] = ()
    """Identifiers of the data sets on the hub, if they are there."""
