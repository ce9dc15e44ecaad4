"""The least time the air takes: no chip, no reader, no program; what the frames and the pauses between them last by the standard.

    activation   REQA to SAK, RATS and ATS, the pause the band asks for, PPS where the rate is raised: always at 106 kbit/s
    exchange     I-block there, I-block back, longer ones in chains of 64 bytes with an acknowledgement each

A byte is nine bits on the air (one is parity), a frame has a start and an end. Above 106 kbit/s the band's answer begins with
32 periods of its subcarrier. Sources: ISO/IEC 14443-2:2020, 8 and 9; 14443-3:2018, 6.2; 14443-4:2018, 5 and 7.
"""

from collections.abc import Iterable
from typing import Final

CARRIER_HZ: Final = 13.56e6
RATES_KBIT: Final = (106, 212, 424, 848)
"""What a band and a reader may agree on."""

FRAME_SIZE_MAX: Final = 64
"""Bytes of a block of ours with its three: FSCI 5 in the ATS."""

BLOCK_OWN: Final = 3
"""Bytes of a block that are not content: its kind, and two of CRC."""

ANSWER_DELAY_S: Final = 1_236 / CARRIER_HZ
"""From the end of a frame to the band's answer, at least. Source: ISO/IEC 14443-3:2018, 6.2.1.1."""

REQUEST_DELAY_S: Final = 1_172 / CARRIER_HZ
"""From the end of an answer to the reader's next frame, at least. Source: ISO/IEC 14443-3:2018, 6.2.1.2."""

SUBCARRIER_START_S: Final = 32 * 16 / CARRIER_HZ
"""Subcarrier alone before an answer above 106 kbit/s. Source: ISO/IEC 14443-2:2020, 8.2.5."""

SELECT_S: Final = {4: 2.50e-3, 7: 4.54e-3, 10: 6.58e-3}
"""From REQA to the last SAK, by bytes of the UID: one, two or three cascade levels."""

START_PAUSE_S: Final = 604e-6
"""After the ATS of a DESFire, SFGI 1. Source: ISO/IEC 14443-4:2018, 5.2.5."""

RATS: Final = (2 + 2, 6 + 2)
PPS: Final = (3 + 2, 1 + 2)
"""Bytes of request and answer, CRC included. Source: ISO/IEC 14443-4:2018, 5.1 to 5.3."""


def tap_ms(exchanges: Iterable[tuple[int, int]], *, kbit: int, uid_size: int = 7) -> float:
    """Milliseconds from REQA to the last bit of the last answer.

    Args:
        exchanges: Bytes of each command and of its answer.
        kbit: One of RATES_KBIT.
        uid_size: 4, 7 or 10.
    """
    activation_s = SELECT_S[uid_size] + _pair_s(*RATS, 106)
    activation_s += START_PAUSE_S
    if kbit > 106:
        activation_s += _pair_s(*PPS, 106)
    return (activation_s + sum(_exchange_s(*sizes, kbit) for sizes in exchanges)) * 1e3


def exchange_ms(command: int, answer: int, *, kbit: int) -> float:
    """Milliseconds of one exchange with so many bytes of content each way."""
    return _exchange_s(command, answer, kbit) * 1e3


def _exchange_s(command: int, answer: int, kbit: int) -> float:
    there, back = _blocks(command), _blocks(answer)
    acknowledgement = BLOCK_OWN
    pairs = [(size, acknowledgement) for size in there[:-1]]
    pairs.append((there[-1], back[0]))
    pairs += [(acknowledgement, size) for size in back[1:]]
    return sum(_pair_s(sent, received, kbit) for sent, received in pairs)


def _blocks(content: int) -> list[int]:
    """Bytes of each block that carries so much content."""
    room = FRAME_SIZE_MAX - BLOCK_OWN
    whole, rest = divmod(content, room)
    return [FRAME_SIZE_MAX] * whole + ([rest + BLOCK_OWN] if rest or not whole else [])


def _pair_s(sent: int, received: int, kbit: int) -> float:
    started = SUBCARRIER_START_S if kbit > 106 else 0.0
    return (
        _frame_s(sent, kbit)
        + ANSWER_DELAY_S
        + started
        + _frame_s(received, kbit)
        + REQUEST_DELAY_S
    )


def _frame_s(size: int, kbit: int) -> float:
    """Seconds of so many bytes: 128 carrier periods a bit at 106 kbit/s, half at each step up."""
    return (9 * size + 2) * 128 / (kbit // 106) / CARRIER_HZ
