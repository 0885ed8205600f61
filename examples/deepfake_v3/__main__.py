"""Command line of the detector: `python -m examples.deepfake_v3 --help`."""

import sys
from collections.abc import Callable

import tyro

from examples.deepfake_v3.audit import AuditConfig, audit
from examples.deepfake_v3.calibrate_model import CalibrateConfig, calibrate_model_v3
from examples.deepfake_v3.errors import UserError
from examples.deepfake_v3.evaluate_model import EvaluateConfig, evaluate_model_v3
from examples.deepfake_v3.explain import ExplainConfig, explain_images
from examples.deepfake_v3.export_model import ExportConfig, export_model_v3
from examples.deepfake_v3.fine_tune import (
    FineTuneConfig,
    QuickFineTuneConfig,
    fine_tune_v3,
    quick_fine_tune,
)
from examples.deepfake_v3.package import PackageConfig, package_model
from examples.deepfake_v3.predict_images import predict_images
from examples.deepfake_v3.prediction.config import PredictConfig
from examples.deepfake_v3.prepare import prepare_data_dir
from examples.deepfake_v3.preparing.config import PrepareConfig
from examples.deepfake_v3.quickstart import QuickstartConfig, quickstart
from examples.deepfake_v3.train_model import Config, train_model_v3

COMMANDS: dict[str, tuple[type, Callable]] = {
    "prepare": (PrepareConfig, prepare_data_dir),
    "audit": (AuditConfig, audit),
    "quickstart": (QuickstartConfig, quickstart),
    "train": (Config, train_model_v3),
    "fine-tune": (FineTuneConfig, fine_tune_v3),
    "quick-fine-tune": (QuickFineTuneConfig, quick_fine_tune),
    "calibrate": (CalibrateConfig, calibrate_model_v3),
    "evaluate": (EvaluateConfig, evaluate_model_v3),
    "predict": (PredictConfig, predict_images),
    "explain": (ExplainConfig, explain_images),
    "package": (PackageConfig, package_model),
    "export": (ExportConfig, export_model_v3),
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


if __name__ == "__main__":
    main()
