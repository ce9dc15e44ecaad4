"""The file of channels: what it says, and that it says what is wrong with it."""

from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.disk import SystemDisk
from hardware.entropy import SystemEntropy
from sync.central.centre import Centre
from sync.central.channels.adapter import Settings
from sync.central.channels_file import check, read_channels
from sync.central.errors import ChannelsWrong

WHOLE = """
[shop]
adapter = "shopify"
channel = "web"
promise_s = 3600
[shop.secrets]
signing = ["new", "old", "older"]
[shop.secret_files]
token = "token.txt"
[shop.options]
country = "GB"
test_orders = true
port = 993

[shop.keep_days]
held = 365

[chat]
adapter = "chatwoot"
"""


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_file_says_which_channels_there_are(tmp_path: Path) -> None:
    written(tmp_path / "token.txt", "abc\n")

    chat, shop = read_channels(written(tmp_path / "c.toml", WHOLE))

    assert chat == Settings("chat", "chatwoot")
    assert (shop.name, shop.adapter, shop.channel, shop.promise_s) == (
        "shop",
        "shopify",
        "web",
        3600,
    )
    assert shop.secrets == {
        "signing": "new",
        "signing_old1": "old",
        "signing_old2": "older",
        "token": "abc",
    }
    assert shop.options == {"country": "GB", "test_orders": "yes", "port": "993"}
    assert (shop.keep_days, chat.keep_days) == ({"held": 365}, {})
    assert "new" not in repr(shop)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(ChannelsWrong, match="chmod 600"):
        read_channels(written(tmp_path / "c.toml", "", mode))


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "token.txt", "abc", 0o644)

    with pytest.raises(ChannelsWrong, match="chmod 600"):
        read_channels(written(tmp_path / "c.toml", WHOLE))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[Shop]\nadapter='x'", "small letters"),
        ("[a/b]\nadapter='x'", "does not parse"),
        ("shop = 1", "outside a channel"),
        ("[shop]", "needs an adapter"),
        ("[shop]\nadapter=1", "adapter is a text"),
        ("[shop]\nadapter='x'\nchanel='web'", "did you mean 'channel'"),
        ("[shop]\nadapter='x'\nchannel='pigeon'", "channel 'pigeon' is none"),
        ("[shop]\nadapter='x'\nchannel='whatsap'", "did you mean 'whatsapp'"),
        ("[shop]\nadapter='x'\npromise_s='soon'", "number of seconds"),
        ("[shop]\nadapter='x'\npromise_s=true", "number of seconds"),
        ("[shop]\nadapter='x'\npromise_s=0", "number of seconds"),
        ("[shop]\nadapter='x'\nsecrets='s'", "is a table"),
        ("[shop]\nadapter='x'\n[shop.secrets]\na=1", "a text, or a few"),
        ("[shop]\nadapter='x'\n[shop.secrets]\na=[]", "a text, or a few"),
        ("[shop]\nadapter='x'\n[shop.secrets]\na=''", "a text, or a few"),
        ("[shop]\nadapter='x'\n[shop.secret_files]\na='/nowhere/at/all'", "cannot be read"),
        ("[shop]\nadapter='x'\n[shop.secrets]\na='1'\n[shop.secret_files]\na='f'", "no secret of that name besides"),
        ("[shop]\nadapter='x'\n[shop.options]\na=[1]", "a text, a number"),
        ("[shop]\nadapter='x'\n[shop.keep_days]\nhelt=1", "there is no 'helt'; did you mean 'held'"),
        ("[shop]\nadapter='x'\n[shop.keep_days]\nheld=0", "a number of days, 1 to 3,650"),
        ("[shop]\nadapter='x'\n[shop.keep_days]\nheld='long'", "a number of days"),
        ("[shop", "does not parse"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ChannelsWrong, match=says):
        read_channels(written(tmp_path / "c.toml", text))


def test_a_file_there_is_not_is_said(tmp_path: Path) -> None:
    with pytest.raises(ChannelsWrong, match="cannot be read"):
        read_channels(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        ((Settings("shop", "shopfy"),), "did you mean 'shopify'"),
        ((Settings("shop", "shopify"), Settings("shop", "shopify")), "stands twice"),
        ((Settings("../x", "shopify"),), "no path segment"),
        ((Settings("store", "shopify"),), "another name"),
    ],
)
def test_channels_that_cannot_be_are_refused_before_anything_is_opened(
    channels: tuple[Settings, ...], says: str
) -> None:
    with pytest.raises(ChannelsWrong, match=says):
        check(channels, ("shopify", "chatwoot"))


def test_a_centre_that_cannot_have_its_channels_lets_go_of_its_folder(tmp_path: Path) -> None:
    def opened(*channels: Settings) -> Centre:
        return Centre.open(
            tmp_path / "centre",
            disk=SystemDisk(),
            clock=SystemClock(),
            entropy=SystemEntropy(),
            channels=channels,
        )

    with pytest.raises(ChannelsWrong):
        opened(Settings("shop", "shopfy"))

    centre = opened(Settings("shop", "shopify", secrets={"signing": "x"}))
    assert [it.name for it in centre.channels.channels] == ["shop"]
    assert "in" in centre.sites
    centre.close()
