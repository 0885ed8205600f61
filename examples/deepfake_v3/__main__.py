"""Command line of the detector: `python -m examples.deepfake_v3 --help`.

Only the options are imported here: what a command does, and the backend, are imported
when it runs.
"""

import dataclasses
import errno
import importlib
import sys
from collections.abc import Callable
from typing import Any

import tyro

from examples.deepfake_v3.errors import UserError
from examples.deepfake_v3.options.audit import AuditConfig
from examples.deepfake_v3.options.calibrate import CalibrateConfig
from examples.deepfake_v3.options.evaluate import EvaluateConfig
from examples.deepfake_v3.options.explain import ExplainConfig
from examples.deepfake_v3.options.export import ExportConfig
from examples.deepfake_v3.options.fine_tune import FineTuneConfig, QuickFineTuneConfig
from examples.deepfake_v3.options.package import PackageConfig
from examples.deepfake_v3.options.predict import PredictConfig
from examples.deepfake_v3.options.prepare import PrepareConfig
from examples.deepfake_v3.options.quickstart import QuickstartConfig
from examples.deepfake_v3.options.train import Config
from examples.deepfake_v3.quiet_start import without_log_lines


@dataclasses.dataclass(frozen=True)
class Late:
    """A function that is imported when it is called.

    Attributes:
        module: Its module in this package.
        name: Its name there.
    """

    module: str
    name: str

    def __call__(self, config: Any) -> Any:
        with without_log_lines():
            module = importlib.import_module(f"examples.deepfake_v3.{self.module}")
        return getattr(module, self.name)(config)


COMMANDS: dict[str, tuple[type, Callable]] = {
    "prepare": (PrepareConfig, Late("prepare", "prepare_data_dir")),
    "audit": (AuditConfig, Late("audit", "audit")),
    "quickstart": (QuickstartConfig, Late("quickstart", "quickstart")),
    "train": (Config, Late("train_model", "train_model_v3")),
    "fine-tune": (FineTuneConfig, Late("fine_tune", "fine_tune_v3")),
    "quick-fine-tune": (QuickFineTuneConfig, Late("fine_tune", "quick_fine_tune")),
    "calibrate": (CalibrateConfig, Late("calibrate_model", "calibrate_model_v3")),
    "evaluate": (EvaluateConfig, Late("evaluate_model", "evaluate_model_v3")),
    "predict": (PredictConfig, Late("predict_images", "predict_images")),
    "explain": (ExplainConfig, Late("explain", "explain_images")),
    "package": (PackageConfig, Late("package", "package_model")),
    "export": (ExportConfig, Late("export_model", "export_model_v3")),
}


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line and runs one command."""
    config = tyro.extras.subcommand_cli_from_dict(
        {name: config_class for name, (config_class, _) in COMMANDS.items()},
        prog="python -m examples.deepfake_v3",
        description="The dual-stream deepfake detector, from images to figures.",
        args=arguments,
    )
    run = dict(COMMANDS.values())[type(config)]
    try:
        run(config)
    except UserError as error:  # all others are mistakes of the code
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        # Whatever asks first whether a path is there, no file can have it.
        sys.exit(f"error: {error.strerror}: {str(error.filename)[:80]!r}…")


if __name__ == "__main__":
    main()
