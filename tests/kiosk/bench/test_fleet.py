"""The fleet bench runs against a real centre over TLS and says every figure it promises."""

import re

from kiosk.bench import fleet


def test_a_small_fleet_is_held_woken_and_comes_back() -> None:
    figures = fleet.measure(6, 3, 1)

    promised = re.findall(r"^    (fleet\.\w+)@N", fleet.__doc__ or "", re.MULTILINE)
    assert {name.partition("@")[0] for name in figures} == set(promised)
    assert figures["fleet.wake@6"].median >= figures["fleet.wake_p50@6"].median > 0
    assert figures["fleet.storm@3"].median > 0
