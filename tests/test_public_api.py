"""The public surface changes only together with its list."""

from pathlib import Path

import keras

import keras_forensics
from tests import public_api


def test_public_names_signatures_and_defaults_are_the_reviewed_ones():
    stored = Path(__file__).with_name("public_api.txt").read_text()
    assert public_api.describe() == stored, (
        "Review the change, then run: python -m tests.public_api > tests/public_api.txt"
    )


def test_registered_names_lead_back_to_their_classes():
    for module in (keras_forensics.layers, keras_forensics):
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type):
                registered = f"keras_forensics>{name}"
                assert keras.saving.get_registered_name(value) == registered
                assert keras.saving.get_registered_object(registered) is value


def test_version_is_semantic():
    major, minor, patch = keras_forensics.__version__.split(".")
    assert major.isdigit() and minor.isdigit() and patch.isdigit()
