"""A reader for the tests of chips: virtual hardware, written without our drivers."""

from tests.support.virtual_reader import virtual_reader

USED = (virtual_reader,)
"""Fixtures are found by name; this says that it is meant to be here."""
