"""No chip dies of what it is sent: whatever comes, it answers or stays silent, and the next one finds it in order."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.entropy import SeededEntropy
from hardware.virtual.catalogue import SAMPLES, Sample, sample_band, uid_of
from hardware.virtual.iso_dep import Picc
from hardware.virtual.vpcd import answer_of

CODES = bytes.fromhex(
    "30393A3C601A1BA0A2A5AF5A6A6E6F4564F55171770AAABDAD3D8D5C5FC4F6C7A7BB3BEB8B6C0CDC1C"
)
"""First bytes some chip here knows."""

SELECT = bytes.fromhex("00A4040C07D276000085010100")

content = st.binary(max_size=40)
plain = st.builds(lambda code, rest: bytes([code]) + rest, st.sampled_from(CODES), content)
wrapped = st.builds(
    lambda code, data: (
        bytes([0x90, code, 0, 0]) + bytes([len(data)])[: len(data)] + data + b"\0"
    ),
    st.sampled_from(CODES),
    content,
)
inter_industry = st.builds(
    lambda code, head, data: bytes([0, code]) + head + bytes([len(data)]) + data,
    st.sampled_from(b"\xa4\xb0\xd6\x84"),
    st.binary(min_size=2, max_size=2),
    content,
)
felica = st.builds(
    lambda code, idm, rest: bytes([len(idm + rest) + 2, code]) + idm + rest,
    st.sampled_from(b"\x00\x02\x04\x06\x08\x0c"),
    st.sampled_from([b"", b"\x01" + uid_of("felica", 8)[1:]]),
    content,
)
pseudo = st.builds(
    lambda head, data: b"\xff" + head + bytes([len(data)]) + data,
    st.sampled_from([b"\x00\x00\x00", b"\xc2\x00\x01", b"\xb0\x00\x04", b"\xd6\x00\x04"]),
    content,
)
commands = st.lists(
    st.one_of(plain, wrapped, inter_industry, felica, pseudo, content), min_size=1, max_size=8
)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: str(sample.name))
@given(sent=commands)
@settings(max_examples=12, deadline=None)
def test_every_chip_answers_or_is_silent_to_anything(sample: Sample, sent: list[bytes]) -> None:
    band: Any = sample_band(sample.name, entropy=SeededEntropy(sample.name))
    chip, behind, on_pcsc = band.power_up(), Picc(band.power_up()), band.power_up()
    behind.select()
    if behind.anticollision.ats:
        behind.receive(b"\xe0\x80")

    chip.exchange(SELECT)
    for number, command in enumerate(sent):
        answer = chip.exchange(command)
        answer_of(on_pcsc, command)
        block = behind.receive(bytes([0x02 | number & 1]) + command)

        assert answer is None or isinstance(answer, bytes)
        assert block is None or isinstance(block, bytes)
    assert band.power_up().anticollision.sak == chip.anticollision.sak
