"""What holds for every kind of operation, also for one that is added tomorrow."""

import re
from pathlib import Path

import pytest

from kiosk.core.wording.staff_en import SENTENCES
from sync.model import operations
from sync.model.operation import OperationClass
from sync.model.registry import KINDS
from sync.model.rules import ASSURANCES

FOLDER = Path(next(iter(operations.__path__)))
TESTS = Path(__file__).parent


def test_every_file_of_the_folder_is_a_kind() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}

    assert set(KINDS) == files
    assert all(f"\n{name} " in (operations.__doc__ or "") for name in KINDS)


@pytest.mark.parametrize("name", list(KINDS))
def test_a_kind_declares_what_both_ends_need(name: str) -> None:
    kind = KINDS[name]

    assert kind.assurance in ASSURANCES
    assert bool(kind.undo) == (kind.undo_args is not None)
    if kind.undo:
        assert kind.undo in KINDS
        # What takes something back must not overtake it, and cannot be refused for want of proof.
        assert KINDS[kind.undo].op_class is OperationClass.FACT or kind.undo == "unblock_band"
    assert (kind.claim is None) == (kind.is_claimed is None)
    if kind.claim is not None:
        assert kind.op_class is OperationClass.REQUEST


@pytest.mark.parametrize("name", list(KINDS))
def test_a_kind_and_its_codes_have_words_for_staff(name: str) -> None:
    assert f"kind.{name}" in SENTENCES
    for code in KINDS[name].codes:
        assert f"why.{code}" in SENTENCES, code


@pytest.mark.parametrize("name", list(KINDS))
def test_a_kind_names_its_codes_where_it_is_explained(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    doc = text.split('"""')[1]

    assert set(re.findall(r"^(\w+)   ", doc, re.MULTILINE)) <= set(KINDS[name].codes)
    for code in KINDS[name].codes:
        assert re.search(rf"^{code}  ", doc, re.MULTILINE), code


@pytest.mark.parametrize("name", list(KINDS))
def test_a_kind_has_a_test(name: str) -> None:
    tests = [path for path in TESTS.parent.rglob("test_*.py") if path != Path(__file__)]
    texts = "".join(path.read_text() for path in tests)
    undone_by_it = [kind.args.__name__ for kind in KINDS.values() if kind.undo == name]

    assert any(struct in texts for struct in (KINDS[name].args.__name__, *undone_by_it))
