"""A stranger opens a folder and is told what each of its files is for."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(
    path.parent
    for package in ("kiosk", "drivers", "sync", "hardware")
    for path in (ROOT / package).rglob("__init__.py")
)


def docstring_of(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_says_what_each_of_its_files_is_for(folder: Path) -> None:
    told = docstring_of(folder / "__init__.py")
    files = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]

    assert told
    assert [name for name in files if not re.search(rf"\b{name}\b", told)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_opens_with_a_sentence(folder: Path) -> None:
    silent = [path.name for path in folder.glob("*.py") if not docstring_of(path)]

    assert silent == []
