from pathlib import Path

import pytest

from discovery.clients.errors import (
    APIError,
    AuthError,
    InventoryError,
    MalformedAnswerError,
    TransientError,
)
from discovery.diagnosis.check import Check
from discovery.diagnosis.tailnets import check_tailnet
from discovery.settings import ControlPlane, CredentialSettings, TailnetSettings
from discovery.source import Source
from discovery.tailnet import Device, UnknownDevice
from tests.diagnosis.conftest import NOW, MakeSource, device

LIST = "GET /api/v2/tailnet/-/devices"
MINT = "POST /api/v2/oauth/token"
FLEET = [device(1, "tag:env-production"), device(2, "tag:env-staging"), device(3)]


@pytest.fixture
def settings(tmp_path: Path) -> TailnetSettings:
    (tmp_path / "client_id").write_text("kid")
    (tmp_path / "client_secret").write_text("hunter2")
    credentials = CredentialSettings(directory=tmp_path)
    return TailnetSettings(name="company.ts.net", credentials=credentials)


async def checked(source: Source, settings: TailnetSettings | None) -> dict[str, Check]:
    return {check.name: check for check in await check_tailnet(source, settings, NOW)}


def line(check: Check) -> tuple[str, str]:
    return str(check.result), check.detail


async def test_all_is_well(source: MakeSource, settings: TailnetSettings) -> None:
    checks = await checked(source(FLEET, keys=("env",)), settings)

    folder = settings.credentials.directory
    assert [(name, *line(check)) for name, check in checks.items()] == [
        ("credentials", "ok", f"an OAuth client from {folder}, accepted"),
        ("scope", "ok", "enough to list devices"),
        ("devices", "ok", "3 listed, 2 eligible; excluded: untagged 1"),
        ("tags", "ok", "2 tags, each with one reading"),
    ]
    assert {check.tailnet for check in checks.values()} == {"company.ts.net"}


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"api_key": "tskey-api-x"}, "an API key"),
        ({"client_id": "kid", "jwt": "x"}, "a workload identity"),
    ],
)
async def test_the_kind_of_credentials_is_told(
    source: MakeSource, tmp_path: Path, files: dict[str, str], kind: str
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    credentials = CredentialSettings(directory=tmp_path)
    settings = TailnetSettings(name="company.ts.net", credentials=credentials)

    checks = await checked(source(FLEET), settings)

    assert checks["credentials"].detail == f"{kind} from {tmp_path}, accepted"


async def test_missing_credentials_fail_and_nothing_is_asked(
    source: MakeSource, tmp_path: Path
) -> None:
    credentials = CredentialSettings(directory=tmp_path / "nowhere")
    settings = TailnetSettings(name="company.ts.net", credentials=credentials)
    unread = source(FLEET)

    checks = await checked(unread, settings)

    assert line(checks["credentials"]) == (
        "failed",
        (
            f"there is no such folder ({tmp_path}/nowhere). Mount a Secret there that holds "
            "client_id and client_secret, or api_key, or client_id and jwt."
        ),
    )
    for name in ("scope", "devices", "tags"):
        assert line(checks[name]) == ("skipped", "there are no usable credentials")
    assert unread.snapshot is None


@pytest.mark.parametrize(
    "error",
    [
        AuthError("API token invalid", where=LIST, status=401),
        AuthError("the credentials are refused: unknown client", where=MINT, status=403),
        AuthError("the control plane knows no such client", where=MINT, status=404),
    ],
)
async def test_refused_credentials_fail(
    source: MakeSource, settings: TailnetSettings, error: AuthError
) -> None:
    checks = await checked(source(error), settings)

    result, detail = line(checks["credentials"])
    assert result == "failed"
    assert str(error) in detail
    assert detail.endswith(
        "Create an OAuth client with the scope devices:core:read, and replace the old one by it."
    )
    assert line(checks["scope"]) == ("skipped", "no answer that tells")
    assert line(checks["devices"]) == ("skipped", "the list is refused, see above")
    assert line(checks["tags"]) == ("skipped", "no eligible device is known")


@pytest.mark.parametrize("status", [403, 404])
async def test_a_missing_scope_is_named(
    source: MakeSource, settings: TailnetSettings, status: int
) -> None:
    error = AuthError("not enough permissions", where=LIST, status=status)

    checks = await checked(source(error), settings)

    assert checks["credentials"].result == "ok"
    assert line(checks["scope"]) == (
        "failed",
        (
            f"not enough permissions ({LIST}, HTTP {status}). Give the credential the scope "
            "devices:core:read: that is all it needs to list devices."
        ),
    )
    assert checks["devices"].result == "skipped"


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (TransientError("no route", where=LIST), "Look at DNS, at HTTPS_PROXY"),
        (MalformedAnswerError("an HTML page", where=LIST), "Look at baseURL"),
        (InventoryError("no devices", where="devices.json"), "Give the JSON body"),
    ],
)
async def test_a_list_that_can_not_be_read_fails_with_advice(
    source: MakeSource, settings: TailnetSettings, error: APIError, advice: str
) -> None:
    checks = await checked(source(error), settings)

    result, detail = line(checks["devices"])
    assert result == "failed"
    assert detail.startswith(f"{error}. {advice}")
    assert line(checks["credentials"]) == ("skipped", "no answer that tells")
    assert line(checks["scope"]) == ("skipped", "no answer that tells")


async def test_a_list_that_is_not_to_be_believed_fails(
    source: MakeSource, settings: TailnetSettings
) -> None:
    checks = await checked(source([]), settings)

    assert line(checks["devices"]) == (
        "failed",
        (
            "the list is not to be believed: the control plane answered with an empty device list "
            "(EmptyList). Endpoints would stay as they are."
        ),
    )


async def test_a_device_that_can_not_be_read_is_a_warning(
    source: MakeSource, settings: TailnetSettings
) -> None:
    unknown = (UnknownDevice(3, "n9", "host-9", "addresses: not a list"),)

    checks = await checked(source(FLEET, unknown=unknown), settings)

    assert line(checks["devices"]) == (
        "warning",
        (
            "3 listed, 2 eligible; excluded: untagged 1; 1 can not be read (addresses: not a "
            "list). Their endpoints are kept."
        ),
    )


async def test_no_eligible_device_is_a_warning(
    source: MakeSource, settings: TailnetSettings
) -> None:
    checks = await checked(source([device(1)]), settings)

    assert line(checks["devices"]) == (
        "warning",
        (
            "1 listed, 0 eligible; excluded: untagged 1. Tag a machine; tailnet-discovery devices "
            "shows what excludes each."
        ),
    )


async def test_tags_of_two_readings_are_a_warning_with_a_proposal(
    source: MakeSource, settings: TailnetSettings
) -> None:
    fleet: list[Device] = [
        device(1, "tag:service-type-api", "tag:env-production"),
        device(2, "tag:service-type-web"),
    ]

    checks = await checked(source(fleet), settings)

    assert line(checks["tags"]) == (
        "warning",
        (
            "can be read in more than one way: tag:service-type-api, tag:service-type-web. "
            "Declare tagKeys, for example [env, service-type]."
        ),
    )


async def test_many_tags_of_two_readings_are_counted(
    source: MakeSource, settings: TailnetSettings
) -> None:
    fleet = [device(n, f"tag:service-type-{letter}") for n, letter in enumerate("abcde", 1)]

    checks = await checked(source(fleet), settings)

    assert "tag:service-type-c and 2 more. Declare" in checks["tags"].detail


async def test_a_declared_key_that_no_tag_has_is_a_warning(
    source: MakeSource, settings: TailnetSettings
) -> None:
    checks = await checked(source(FLEET, keys=("env", "servise-type")), settings)

    assert line(checks["tags"]) == (
        "warning",
        "no eligible device has a tag of servise-type. Look at the spelling of tagKeys.",
    )


async def test_an_inventory_needs_no_credentials(source: MakeSource) -> None:
    checks = await checked(source(FLEET), None)

    assert line(checks["credentials"]) == ("skipped", "a file needs none")
    assert line(checks["scope"]) == ("skipped", "a file needs none")
    assert checks["devices"].result == "ok"


async def test_a_file_as_control_plane_needs_no_credentials(source: MakeSource) -> None:
    settings = TailnetSettings(
        name="company.ts.net", control_plane=ControlPlane.FILE, base_url="file:///devices.json"
    )

    assert line((await checked(source(FLEET), settings))["credentials"]) == (
        "skipped",
        "a file needs none",
    )
