"""A small demo set, rendered once."""

import pytest

from examples.deepfake_v3.demo_set import render_demo_set


@pytest.fixture(scope="session")
def demo_data(tmp_path_factory):
    return render_demo_set(
        tmp_path_factory.mktemp("demo") / "data",
        images_per_class={"train": 8, "val": 4, "test": 4},
        image_size=64,
        seed=0,
    )
