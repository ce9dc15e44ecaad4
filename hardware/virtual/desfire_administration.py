"""Commands of a DESFire about the chip, its applications and their keys.

    5A 60 6A 6D 6E 51 3C   select; what is on the chip, and who it is
    CA DA FC 5C            make and delete applications, format, configure
    45 54 64 C4            settings, versions and change of keys

Settings of an application or the chip, bit by bit: 0 key 0 may be changed, 1 anybody may list, 2 anybody may create and
delete, 3 the settings may be changed; the upper half says which key changes the others (0 to D), E each itself, F none.

Source: MF3ICD81 data sheet, PICC level and security related commands.
"""

from hardware.virtual.desfire_core import (
    APPLICATION_NOT_FOUND,
    AUTHENTICATION_ERROR,
    COUNT_ERROR,
    DUPLICATE_ERROR,
    ILLEGAL_COMMAND,
    INTEGRITY_ERROR,
    LENGTH_ERROR,
    NO_SUCH_KEY,
    OK,
    OUT_OF_MEMORY,
    PARAMETER_ERROR,
    PERMISSION_DENIED,
    PICC_AID,
    Answer,
    Commands,
    Core,
    Refused,
    expect_size,
)
from hardware.virtual.desfire_memory import (
    MEMORY_BLOCK_SIZE,
    Application,
    ChipKey,
    KeyType,
)
from hardware.virtual.messaging import Mode

VERSIONS = {
    1: ("04010101001A05", "04010101041A05"),
    2: ("04010112001A05", "04010102011A05"),
    3: ("04010133001A05", "04010103001A05"),
}
"""Hardware and software frames of GetVersion by generation: vendor, type, subtype, major, minor, size, protocol."""

PRODUCTION = bytes.fromhex("BA5EBA11AB2026")
"""Batch, week and year of production."""

KEY_0_CHANGEABLE, FREE_LISTING, FREE_CREATING, SETTINGS_CHANGEABLE = 0x01, 0x02, 0x04, 0x08
"""Bits of the settings."""

CHANGED_BY_ITSELF, FROZEN = 0x0E, 0x0F
"""Upper halves of the settings that are no key number."""

APPLICATION_MAX = 28
"""Applications of an EV1; later ones are bounded by their memory. Source: MF3ICD81 data sheet, CreateApplication."""

KEY_MAX = 14
"""Keys of an application."""

ISO_NUMBERS = 0x20
"""Bit of key settings 2: files have ISO 7816-4 numbers."""

DF_NAME_MAX = 16
"""Bytes of an application's ISO 7816-4 name."""

NO_FORMAT, RANDOM_UID = 0x01, 0x02
"""Bits of configuration 00; neither can be taken back."""

KEY_CONFIGURATION_SIZE = 25
"""Bytes of configuration 01: a key of up to 24 bytes and a version."""

ATS_SIZE_MAX = 20
"""Bytes of an ATS with its length."""


class Administration:
    """The commands about the chip, applications and keys."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._memory = core.memory
        self.commands: Commands = {
            0x5A: self._select,
            0x60: self._get_version,
            0x6A: self._get_application_ids,
            0x6D: self._get_df_names,
            0x6E: self._get_free_memory,
            0x51: self._get_card_uid,
            0xCA: self._create_application,
            0xDA: self._delete_application,
            0xFC: self._format,
            0x5C: self._set_configuration,
            0x45: self._get_key_settings,
            0x54: self._change_key_settings,
            0x64: self._get_key_version,
            0xC4: self._change_key,
        }
        if core.memory.ev >= 2:
            self.commands[0x3C] = self._read_signature

    # --- the chip

    def _select(self, data: bytes) -> Answer:
        expect_size(data, 3)
        self._core.end_session()
        if data == PICC_AID:
            self._core.select(self._memory.picc)
            return Answer(OK)
        application = self._memory.applications.get(data)
        if application is None:
            raise Refused(APPLICATION_NOT_FOUND)
        self._core.select(application)
        return Answer(OK)

    def _get_version(self, data: bytes) -> Answer:
        """Three frames. The UID is hidden while it is random and nobody is authenticated."""
        self._core.take(0x60, data, 0)
        hardware, software = (bytes.fromhex(each) for each in VERSIONS[self._memory.ev])
        is_hidden = self._memory.has_random_uid and self._core.session is None
        uid = bytes(7) if is_hidden else self._memory.uid
        return self._core.in_pieces(hardware, software, uid + PRODUCTION)

    def _get_free_memory(self, data: bytes) -> Answer:
        self._core.take(0x6E, data, 0)
        return self._core.sealed(self._memory.free.to_bytes(3, "little"))

    def _get_card_uid(self, data: bytes) -> Answer:
        """The true UID, enciphered; any key of the chip or of an application will do."""
        self._core.take(0x51, data, 0)
        if self._core.session is None:
            raise Refused(AUTHENTICATION_ERROR)
        return self._core.sealed(self._memory.uid, Mode.FULL)

    def _read_signature(self, data: bytes) -> Answer:
        """The maker's signature over the UID; address 00 is the only one. Source: NXP AN12343, Read_Sig."""
        (address,) = self._core.take(0x3C, data, 1)
        if address:
            raise Refused(PARAMETER_ERROR)
        if not self._memory.signature:
            raise Refused(ILLEGAL_COMMAND)
        return self._core.sealed(self._memory.signature)

    def _expect_picc(self) -> None:
        if not self._core.is_picc:
            raise Refused(PERMISSION_DENIED)

    def _set_configuration(self, data: bytes) -> Answer:
        """00: format and random UID; 01: the key of new applications; 02: the ATS."""
        option = data[0] if data else 0
        sizes: dict[int, int | None] = {0: 1, 1: KEY_CONFIGURATION_SIZE, 2: None}
        if option not in sizes:
            raise Refused(PARAMETER_ERROR)
        self._expect_picc()
        self._core.expect_key(0)
        _, content = self._core.take_secret(0x5C, data, 1, size=sizes[option])
        match option:
            case 0x00:
                self._memory.is_format_off |= bool(content[0] & NO_FORMAT)
                self._memory.has_random_uid |= bool(content[0] & RANDOM_UID)
            case 0x01:
                self._memory.default_key = content[:-1]
                self._memory.default_version = content[-1]
            case _:
                if not 2 <= len(content) <= ATS_SIZE_MAX or content[0] != len(content):
                    raise Refused(PARAMETER_ERROR)
                self._memory.ats = content
        return self._core.sealed()

    def _format(self, data: bytes) -> Answer:
        """Every application goes; keys and settings of the chip stay."""
        self._core.take(0xFC, data, 0)
        self._expect_picc()
        self._core.expect_key(0)
        if self._memory.is_format_off:
            raise Refused(PERMISSION_DENIED)
        self._memory.applications.clear()
        return self._core.sealed()

    # --- applications

    def _get_application_ids(self, data: bytes) -> Answer:
        self._core.take(0x6A, data, 0)
        self._expect_picc()
        self._core.expect_setting(FREE_LISTING)
        return self._core.sealed(b"".join(self._memory.applications))

    def _get_df_names(self, data: bytes) -> Answer:
        """AID, ISO number and name, one frame an application that has them."""
        self._core.take(0x6D, data, 0)
        self._expect_picc()
        self._core.expect_setting(FREE_LISTING)
        named = [
            each.aid + each.iso_id[::-1] + each.df_name
            for each in self._memory.applications.values()
            if each.iso_id or each.df_name
        ]
        return self._core.in_pieces(*(named or [b""]))

    def _create_application(self, data: bytes) -> Answer:
        """AID, settings, number and kind of keys, then ISO number (2, low byte first) and name where they are given."""
        size = len(data) - self._core.mac_size_of(self._core.command_mode)
        if size != 5 and not 7 <= size <= 7 + DF_NAME_MAX:
            raise Refused(LENGTH_ERROR)
        header = self._core.take(0xCA, data, size)
        self._expect_picc()
        self._core.expect_setting(FREE_CREATING)
        aid, settings, kind = header[:3], header[3], header[4]
        key_type = _key_type_of(kind)
        n_keys = kind & 0x0F
        if not 1 <= n_keys <= KEY_MAX or kind & 0x10:
            raise Refused(PARAMETER_ERROR)
        if aid == PICC_AID or aid in self._memory.applications:
            raise Refused(DUPLICATE_ERROR)
        if self._memory.ev == 1 and len(self._memory.applications) >= APPLICATION_MAX:
            raise Refused(COUNT_ERROR)
        application = Application(
            aid=aid,
            key_type=key_type,
            keys=[self._memory.fresh_key(key_type) for _ in range(n_keys)],
            settings=settings,
            iso_id=header[5:7][::-1],
            df_name=header[7:],
            has_iso_files=bool(kind & ISO_NUMBERS),
        )
        if application.n_blocks * MEMORY_BLOCK_SIZE > self._memory.free:
            raise Refused(OUT_OF_MEMORY)
        self._memory.applications[aid] = application
        return self._core.sealed()

    def _delete_application(self, data: bytes) -> Answer:
        """By key 0 of the chip, or by key 0 of the application itself where the chip's settings leave it to that."""
        aid = self._core.take(0xDA, data, 3)
        application = self._memory.applications.get(aid)
        if application is None:
            raise Refused(APPLICATION_NOT_FOUND)
        is_own = self._core.application is application
        if not self._core.is_picc and not is_own:
            raise Refused(PERMISSION_DENIED)
        if is_own and not self._memory.picc.settings & FREE_CREATING:
            raise Refused(PERMISSION_DENIED)
        self._core.expect_key(0)
        answer = self._core.sealed()
        del self._memory.applications[aid]
        if is_own:
            self._core.select(self._memory.picc)
        return answer

    # --- keys

    def _get_key_settings(self, data: bytes) -> Answer:
        self._core.take(0x45, data, 0)
        self._core.expect_setting(FREE_LISTING)
        application = self._core.application
        kind = application.key_type.value | len(application.keys)
        return self._core.sealed(bytes([application.settings, kind]))

    def _change_key_settings(self, data: bytes) -> Answer:
        self._core.expect_key(0)
        if not self._core.application.settings & SETTINGS_CHANGEABLE:
            raise Refused(PERMISSION_DENIED)
        _, content = self._core.take_secret(0x54, data, 0, size=1)
        self._core.application.settings = content[0]
        return self._core.sealed()

    def _get_key_version(self, data: bytes) -> Answer:
        (number,) = self._core.take(0x64, data, 1)
        return self._core.sealed(bytes([self._core.key(number).version]))

    def _change_key(self, data: bytes) -> Answer:
        """Key number, then the enciphered new key; another key than that of the session is sent as new xor old.

        The new key is followed by its version where it is an AES key, and by a checksum of its own where it was
        combined with the old one. On the chip itself the upper bits of the number say what kind the new key is.
        """
        number = data[0] & 0x0F if data else 0
        key_type = self._core.application.key_type
        if self._core.is_picc:
            key_type = _key_type_of(data[0] if data else 0)
        elif data and data[0] != number:
            raise Refused(NO_SUCH_KEY)
        old = self._core.key(number)
        self._expect_may_change(number)
        session = self._core.session
        if session is None:
            raise Refused(AUTHENTICATION_ERROR)
        is_own = number == self._core.key_number
        size = key_type.size + (1 if key_type is KeyType.AES else 0)
        tail = 0 if is_own else len(session.crc(b""))
        _, content = self._core.take_secret(0xC4, data, 1, size=size, tail=tail)
        value, version = content[: key_type.size], content[key_type.size : size]
        if not is_own:
            value = bytes(a ^ b for a, b in zip(value, old.value, strict=True))
            if session.crc(value) != content[size:]:
                raise Refused(INTEGRITY_ERROR)
        new = ChipKey(key_type, value, version[0] if version else 0)
        self._core.application.keys[number] = new
        self._core.application.key_type = key_type
        if not is_own:
            return self._core.sealed()
        self._core.end_session()
        return Answer(OK)

    def _expect_may_change(self, number: int) -> None:
        """Key 0 by itself, where the settings let it; another by the key the settings name."""
        settings = self._core.application.settings
        by = settings >> 4
        if number == 0:
            if not settings & KEY_0_CHANGEABLE:
                raise Refused(PERMISSION_DENIED)
            self._core.expect_key(0)
        elif by == FROZEN:
            raise Refused(PERMISSION_DENIED)
        elif by == CHANGED_BY_ITSELF:
            self._core.expect_key(number)
        else:
            self._core.expect_key(0 if by == number else by)


def _key_type_of(kind: int) -> KeyType:
    try:
        return KeyType(kind & 0xC0)
    except ValueError as error:
        raise Refused(PARAMETER_ERROR) from error
