"""Everything here runs in the three images, in a real container engine."""

import pytest

from engine import build_images


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    build_images()
