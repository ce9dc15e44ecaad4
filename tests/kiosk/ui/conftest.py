"""Screens under test are waited for until they have nothing left to do."""

from tests.support.idle import _pilots_wait_for_the_work

USED = (_pilots_wait_for_the_work,)
"""Fixtures are found by name; this says that it is meant to be here."""
