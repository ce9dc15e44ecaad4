"""Readers for the tests of virtual hardware."""

from tests.support.private_pcscd import _private_pcscd, private_pcscd
from tests.support.referees import libfreefare_judge
from tests.support.virtual_reader import virtual_reader

USED = (_private_pcscd, private_pcscd, virtual_reader, libfreefare_judge)
"""Fixtures are found by name; this says that they are meant to be here."""
