"""Where a setting comes from, and what a wrong one says."""

from pathlib import Path

import pytest

from drivers.readers.opening import KINDS
from kiosk.settings import READER_KINDS, Settings, SettingsError, address_of, load

NOWHERE = {"HOME": "/nowhere"}


def file_of(folder: Path, text: str) -> dict[str, str]:
    path = folder / "settings.toml"
    path.write_text(text)
    return {**NOWHERE, "TAPTHREAD_SETTINGS": str(path)}


def test_each_place_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    environment = file_of(
        tmp_path, 'reader = "pcsc:file"\nlanguage = "de"\ncentre = "http://file"'
    )
    environment["TAPTHREAD_READER"] = "pcsc:environment"
    environment["TAPTHREAD_CENTRE"] = "http://environment"

    settings = load(centre="http://line", environment=environment)

    assert (settings.language, settings.reader, settings.centre) == (
        "de",
        "pcsc:environment",
        "http://line",
    )
    assert settings.origins == {
        "data": "default",
        "language": "file",
        "reader": "environment",
        "centre": "command line",
        "centre_ca": "default",
        "relay": "default",
        "relay_listen": "default",
    }


def test_the_data_folder_has_a_place_without_being_told() -> None:
    settings: Settings = load(environment=NOWHERE)

    assert settings.data == Path("/nowhere/.local/share/tapthread")


def test_a_misspelt_setting_names_the_nearest_one(tmp_path: Path) -> None:
    environment = file_of(tmp_path, 'raeder = "pcsc"')

    with pytest.raises(SettingsError, match="did you mean reader"):
        load(environment=environment)


def test_a_misspelt_variable_is_an_error_too() -> None:
    with pytest.raises(SettingsError, match=r"TAPTHREAD_CENTER.*did you mean centre"):
        load(environment={**NOWHERE, "TAPTHREAD_CENTER": "http://x"})


@pytest.mark.parametrize("reader", ["acr122u", "pn532", "pn532:", "pcsc:", "", "virtual:x"])
def test_a_reader_we_do_not_know_is_refused_with_those_we_do(reader: str) -> None:
    with pytest.raises(
        SettingsError,
        match="must be pcsc, pcsc:NAME, pn532:PATH, wedge:PATH, wedge-reversed:PATH or virtual",
    ):
        load(reader=reader, environment=NOWHERE)


def test_a_number_where_text_belongs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"reader \(file\) must be text, not int"):
        load(environment=file_of(tmp_path, "reader = 5"))


def test_a_settings_file_that_was_named_must_be_there() -> None:
    with pytest.raises(SettingsError, match="there is no settings file"):
        load(environment={**NOWHERE, "TAPTHREAD_SETTINGS": "/nowhere/at/all.toml"})


def test_a_settings_file_that_does_not_parse_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(environment=file_of(tmp_path, "reader = = 5"))


def test_the_centre_must_be_an_address() -> None:
    with pytest.raises(SettingsError, match="http or https"):
        load(centre="ftp://x", environment=NOWHERE)


@pytest.mark.parametrize(
    "relay", ["10.0.0.5:8470", "https://till-1", "http://", "http://till-1/x", "http://a:99999"]
)
def test_a_relay_is_an_address_in_the_shops_own_network(relay: str) -> None:
    with pytest.raises(SettingsError, match=r"relay .command line. must be an address like"):
        load(relay=relay, environment=NOWHERE)


@pytest.mark.parametrize(
    "listen", ["8470", ":8470", "0.0.0.0", "0.0.0.0:x", "0.0.0.0:0", "::1:8470", "a:99999"]
)
def test_where_a_relay_listens_is_a_host_and_a_port(listen: str) -> None:
    with pytest.raises(SettingsError, match=r"relay_listen .environment. must be HOST:PORT"):
        load(environment={**NOWHERE, "TAPTHREAD_RELAY_LISTEN": listen})


@pytest.mark.parametrize(
    ("listen", "address"), [("0.0.0.0:8470", ("0.0.0.0", 8470)), ("[::1]:8470", ("::1", 8470))]
)
def test_an_address_to_listen_on_has_a_host_and_a_port(
    listen: str, address: tuple[str, int]
) -> None:
    settings = load(relay_listen=listen, relay="http://till-1:8470", environment=NOWHERE)

    assert address_of(settings.relay_listen) == address
    assert settings.relay == "http://till-1:8470"


def test_settings_know_every_kind_of_reader_that_can_be_opened() -> None:
    assert READER_KINDS == KINDS
