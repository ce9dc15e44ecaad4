"""The same tap through a real PC/SC daemon: our virtual band in a vpcd slot, `tapthread tap --reader pcsc`."""

import json
from pathlib import Path

import pytest

from hardware.virtual.private_pcscd import PrivatePcscd
from tests.support.commands import environment, run, running


@pytest.mark.parametrize(("band", "customer"), [("maya", "maya"), ("tom", "tom")])
def test_a_band_in_a_pcsc_reader_is_proved_offline(
    band: str, customer: str, seeded: Path, private_pcscd: PrivatePcscd
) -> None:
    slot = f"127.0.0.1:{private_pcscd.port}"
    with running("virtual", "--vpcd", slot, "--band", band) as device:
        assert device.line().startswith("ready")

        done = run("tap", "--json", "--timeout", "30", "--data", seeded, "--reader", "pcsc",
                   env=environment(**private_pcscd.environment))  # fmt: skip

    assert done.returncode == 0, (done.stdout, done.stderr)
    found = json.loads(done.stdout)
    assert (found["proof"], found["assurance"]) == ("mutual", "A2")
    assert found["customer"]["id"] == customer


def test_a_band_put_in_later_is_waited_for(seeded: Path, private_pcscd: PrivatePcscd) -> None:
    slot = f"127.0.0.1:{private_pcscd.port}"
    env = environment(**private_pcscd.environment)
    with running("virtual", "--vpcd", slot) as device:
        device.line()
        with running("tap", "--json", "--data", seeded, "--reader", "pcsc", env=env) as tap:
            assert tap.process.stderr is not None
            assert b"waiting" in tap.process.stderr.readline()
            assert device.ask("present lena").startswith("ok")

            found = json.loads(tap.line())

    assert found["customer"]["id"] == "lena"
