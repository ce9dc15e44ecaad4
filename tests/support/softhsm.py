"""PKCS#11 tokens for tests: SoftHSM in a folder of its own, where the library looks once a process what tokens there are."""

import os
import subprocess
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
)
PIN = "482615"
LABELS = tuple(f"tapthread {number}" for number in range(32))
_numbers = count()


@cache
def configured() -> Path:
    """Where SoftHSM keeps its tokens in this process and its children; its configuration file."""
    folder = Path(mkdtemp(prefix="tapthread-softhsm-"))
    (folder / "tokens").mkdir()
    file = folder / "softhsm2.conf"
    file.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(file)
    for label in LABELS:
        initialised = (
            "softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN,
        )  # fmt: skip
        subprocess.run(initialised, check=True, capture_output=True)
    return file


def module() -> Path:
    """The library of SoftHSM."""
    configured()
    return next(path for path in MODULES if path.exists())


def new_token() -> str:
    """The label of a token nobody used yet."""
    configured()
    return LABELS[next(_numbers)]
