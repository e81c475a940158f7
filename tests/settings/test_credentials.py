from pathlib import Path

import pytest

from discovery.settings import (
    ApiKey,
    ConfigError,
    CredentialSettings,
    OAuthClient,
    Override,
    TailnetSettings,
    WorkloadIdentity,
    load,
    read_credentials,
)

SECRETS = {"TS_API_CLIENT_ID": "kid", "TS_API_CLIENT_SECRET": "hunter2"}


def tailnet_with(directory: Path, **files: str) -> TailnetSettings:
    for name, content in files.items():
        (directory / name).write_text(content)
    return TailnetSettings(name="a.ts.net", credentials=CredentialSettings(directory=directory))


def problem_of(tailnet: TailnetSettings) -> str:
    with pytest.raises(ConfigError) as raised:
        read_credentials(tailnet)
    return str(raised.value)


def test_a_client_is_read_without_the_line_break_at_the_end(tmp_path: Path) -> None:
    tailnet = tailnet_with(tmp_path, client_id="kid\n", client_secret="hunter2\r\n")

    credentials = read_credentials(tailnet)

    assert isinstance(credentials, OAuthClient)
    assert credentials.client_id == "kid"
    assert credentials.client_secret.get_secret_value() == "hunter2"


def test_an_api_key_is_read(tmp_path: Path) -> None:
    credentials = read_credentials(tailnet_with(tmp_path, api_key="hunter2"))

    assert isinstance(credentials, ApiKey)
    assert credentials.key.get_secret_value() == "hunter2"


def test_a_workload_identity_names_its_token_file(tmp_path: Path) -> None:
    credentials = read_credentials(tailnet_with(tmp_path, client_id="kid", jwt="hunter2"))

    assert credentials == WorkloadIdentity("kid", tmp_path / "jwt")


def test_each_reading_sees_the_file_as_it_is_now(tmp_path: Path) -> None:
    tailnet = tailnet_with(tmp_path, api_key="old-key")
    before = read_credentials(tailnet)
    (tmp_path / "api_key").write_text("new-key")

    assert read_credentials(tailnet) != before


def test_credentials_of_the_environment_are_read() -> None:
    (tailnet,) = load(environ=SECRETS).settings.tailnets
    (keyed,) = load(environ={"TS_API_KEY": "hunter2"}).settings.tailnets

    credentials, key = read_credentials(tailnet), read_credentials(keyed)

    assert isinstance(credentials, OAuthClient)
    assert credentials.client_secret.get_secret_value() == "hunter2"
    assert isinstance(key, ApiKey)


def test_a_token_file_of_the_environment_is_named() -> None:
    prefix = "TAILNET_DISCOVERY_TAILNETS_0"
    (tailnet,) = load(
        environ={
            f"{prefix}_NAME": "a.ts.net",
            f"{prefix}_CREDENTIALS_CLIENT_ID": "kid",
            f"{prefix}_CREDENTIALS_JWT_FILE": "/run/token",
        }
    ).settings.tailnets

    assert read_credentials(tailnet) == WorkloadIdentity("kid", Path("/run/token"))


def test_no_credentials_say_what_to_set() -> None:
    assert problem_of(TailnetSettings(name="a.ts.net")) == (
        "the tailnet has no credentials (a.ts.net). Set TS_API_CLIENT_ID and "
        "TS_API_CLIENT_SECRET, or TS_API_KEY, or name a directory under credentials."
    )


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert problem_of(tailnet_with(tmp_path / "x")) == (
        f"there is no such folder ({tmp_path}/x). Mount a Secret there that holds client_id and "
        "client_secret, or api_key, or client_id and jwt."
    )


@pytest.mark.parametrize(
    ("files", "held"),
    [
        ({}, "none of the files"),
        ({"client_id": "kid"}, "client_id"),
        ({"api_key": "x", "client_id": "kid"}, "api_key and client_id"),
        (
            {"client_id": "kid", "client_secret": "x", "jwt": "x"},
            "client_id and client_secret and jwt",
        ),
    ],
)
def test_a_folder_holds_exactly_one_kind(tmp_path: Path, files: dict[str, str], held: str) -> None:
    assert problem_of(tailnet_with(tmp_path, **files)) == (
        f"the credentials folder holds {held} ({tmp_path}). Put client_id and client_secret, "
        "or api_key, or client_id and jwt there, nothing else."
    )


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    assert problem_of(tailnet_with(tmp_path, api_key="\n")) == (
        f"the credential is empty ({tmp_path}/api_key). Write it into the file."
    )


@pytest.mark.parametrize("content", ["hunter2 x", "hunter2\nx", "hünter2", "hunter2" * 10_000])
def test_a_file_with_more_than_a_credential_is_refused_unquoted(
    tmp_path: Path, content: str
) -> None:
    assert problem_of(tailnet_with(tmp_path, api_key=content)) == (
        f"the file holds more than one credential, or none ({tmp_path}/api_key). "
        "Write the bare credential into it."
    )


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "api_key").mkdir()

    assert problem_of(tailnet_with(tmp_path)) == (
        f"the credential can not be read: Is a directory ({tmp_path}/api_key). "
        "Make the file readable for the user that runs this program."
    )


def test_no_secret_shows_in_any_form_of_the_settings(tmp_path: Path) -> None:
    loaded = load(environ=SECRETS)
    values = [
        Override(("tailnets", 0, "credentials", "apiKey"), "hunter2", "TS_API_KEY"),
        loaded,
        loaded.rows(),
        loaded.settings,
        loaded.settings.model_dump_json(),
        read_credentials(loaded.settings.tailnets[0]),
        read_credentials(tailnet_with(tmp_path, api_key="hunter2")),
    ]

    assert not any("hunter2" in f"{value!r}{value!s}" for value in values)
    assert "kid" in repr(loaded)
