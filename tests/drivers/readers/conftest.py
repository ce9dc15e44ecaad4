"""Readers for the tests of ours: virtual hardware, written without our drivers."""

from tests.support.private_pcscd import _private_pcscd, private_pcscd
from tests.support.virtual_reader import virtual_reader

USED = (_private_pcscd, private_pcscd, virtual_reader)
"""Fixtures are found by name; this says that they are meant to be here."""
