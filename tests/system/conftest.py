"""One seeded demo, made once by the real command; each test works on its own copy."""

import shutil
from pathlib import Path

import pytest

from tests.support.commands import run
from tests.support.postgres import any_database, database, postgres  # noqa: F401  # fixtures
from tests.support.private_pcscd import _private_pcscd, private_pcscd  # noqa: F401  # fixtures


@pytest.fixture(scope="session")
def _seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seed") / "data"
    done = run("seed", "--data", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def seeded(_seed: Path, tmp_path: Path) -> Path:
    """A data folder as `tapthread seed` leaves it."""
    return Path(shutil.copytree(_seed, tmp_path / "data"))
