from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from discovery.settings import ConfigError, LogLevel, Override, Settings, load

Load = Callable[..., Settings]
Problems = Callable[..., tuple[str, ...]]


def test_a_variable_wins_over_the_file(load_text: Load) -> None:
    settings = load_text("logging: {level: error}", TAILNET_DISCOVERY_LOGGING_LEVEL="debug")

    assert settings.logging.level is LogLevel.DEBUG


def test_a_flag_wins_over_a_variable() -> None:
    loaded = load(
        environ={"TAILNET_DISCOVERY_LOGGING_LEVEL": "debug"},
        flags=[Override(("logging", "level"), "warning", "--log-level")],
    )

    assert loaded.settings.logging.level is LogLevel.WARNING
    assert ("logging.level", "warning", "--log-level") in loaded.rows()


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    (tmp_path / "td.yaml").write_text("instance: blue")

    loaded = load(environ={"TAILNET_DISCOVERY_CONFIG": str(tmp_path / "td.yaml")})

    assert loaded.settings.instance == "blue"
    assert ("instance", "blue", f"{tmp_path}/td.yaml:1") in loaded.rows()


def test_the_named_file_wins_over_the_variables_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("instance: a")
    (tmp_path / "b.yaml").write_text("instance: b")

    environ = {"TAILNET_DISCOVERY_CONFIG": str(tmp_path / "a.yaml")}

    assert load(tmp_path / "b.yaml", environ=environ).settings.instance == "b"


def test_variables_alone_can_describe_tailnets() -> None:
    loaded = load(
        environ={
            "TAILNET_DISCOVERY_DENIED_CIDRS": "10.0.0.0/8, fd00::/8",
            "TAILNET_DISCOVERY_TAILNETS_0_NAME": "a.ts.net",
            "TAILNET_DISCOVERY_TAILNETS_0_POLL_INTERVAL": "5m",
            "TAILNET_DISCOVERY_TAILNETS_0_TAG_KEYS": "env,service-type,",
            "TAILNET_DISCOVERY_TAILNETS_0_GRANTS_0_NAMESPACES": "production",
            "TAILNET_DISCOVERY_TAILNETS_0_REMOVAL_MAX_PERCENT": "20",
            "TAILNET_DISCOVERY_TAILNETS_1_NAME": "b.ts.net",
            "TAILNET_DISCOVERY_TAILNETS_1_BASE_URL": "https://b.example.com",
        }
    )
    first, second = loaded.settings.tailnets

    assert [str(n) for n in loaded.settings.denied_cidrs] == ["10.0.0.0/8", "fd00::/8"]
    assert first.poll_interval == timedelta(minutes=5)
    assert first.tag_keys == ("env", "service-type")
    assert first.grants is not None
    assert first.grants[0].namespaces == ("production",)
    assert first.removal.max_percent == 20
    assert second.base_url == "https://b.example.com"
    assert loaded.warnings == ()


def test_entries_above_nine_are_set_in_their_order() -> None:
    environ = {f"TAILNET_DISCOVERY_TAILNETS_{i}_NAME": f"t{i}.ts.net" for i in range(11)}

    assert [t.name for t in load(environ=environ).settings.tailnets] == [
        f"t{i}.ts.net" for i in range(11)
    ]


def test_a_variable_changes_one_key_of_an_entry_of_the_file(load_text: Load) -> None:
    (tailnet,) = load_text(
        "tailnets: [{name: a.ts.net, tailnet: x}]",
        TAILNET_DISCOVERY_TAILNETS_0_POLL_INTERVAL="2s",
    ).tailnets

    assert (tailnet.name, tailnet.tailnet) == ("a.ts.net", "x")
    assert tailnet.poll_interval == timedelta(seconds=2)


def test_a_gap_in_a_list_is_refused() -> None:
    with pytest.raises(ConfigError) as raised:
        load(environ={"TAILNET_DISCOVERY_TAILNETS_1_NAME": "a.ts.net"})

    assert raised.value.problems == (
        (
            "tailnets[1].name can not be set: an entry before it is missing "
            "(TAILNET_DISCOVERY_TAILNETS_1_NAME). "
            "Number the entries of a list from 0, without gaps."
        ),
    )


def test_a_wrong_value_names_its_variable() -> None:
    with pytest.raises(ConfigError) as raised:
        load(environ={"TAILNET_DISCOVERY_LOGGING_FORMAT": "xml"})

    assert raised.value.problems == (
        'logging.format: "xml" is unknown (TAILNET_DISCOVERY_LOGGING_FORMAT). Use console or json.',
    )


def test_a_variable_set_to_nothing_is_not_set() -> None:
    loaded = load(environ={"TAILNET_DISCOVERY_INSTANCE": "", "TS_API_KEY": ""})

    assert loaded.settings == Settings()


def test_an_unknown_variable_is_a_warning() -> None:
    loaded = load(
        environ={"TAILNET_DISCOVERY_LOGING_LEVEL": "x", "TAILNET_DISCOVERY_TAILNETS_0_NAM": "x"}
    )

    assert loaded.warnings == (
        (
            "unknown variable, which is ignored (TAILNET_DISCOVERY_LOGING_LEVEL). "
            "Did you mean TAILNET_DISCOVERY_LOGGING_LEVEL?"
        ),
        (
            "unknown variable, which is ignored (TAILNET_DISCOVERY_TAILNETS_0_NAM). "
            "Did you mean TAILNET_DISCOVERY_TAILNETS_0_NAME?"
        ),
    )


@pytest.mark.parametrize(
    "name",
    [
        "TAILNET_DISCOVERY_SERVICE_HOST",
        "TAILNET_DISCOVERY_SERVICE_PORT_METRICS",
        "TAILNET_DISCOVERY_PORT",
        "TAILNET_DISCOVERY_METRICS_PORT_9090_TCP_ADDR",
    ],
)
def test_variables_that_the_kubelet_sets_for_services_are_silent(name: str) -> None:
    assert load(environ={name: "tcp://10.0.0.1:9090"}).warnings == ()


def test_tailscales_variables_make_up_a_tailnet() -> None:
    loaded = load(
        environ={
            "TS_API_CLIENT_ID": "kid",
            "TS_API_CLIENT_SECRET": "hunter2",
            "TS_BASE_URL": "http://127.0.0.1:8080",
            "TS_TAILNET": "example.com",
        }
    )
    (tailnet,) = loaded.settings.tailnets

    assert tailnet.discovered
    assert (tailnet.name, tailnet.domains) == ("", ())
    assert tailnet.base_url == "http://127.0.0.1:8080"
    assert tailnet.tailnet == "example.com"
    assert ("tailnets[0].credentials.clientID", "kid", "TS_API_CLIENT_ID") in loaded.rows()


def test_they_do_so_beside_a_file_with_an_empty_list_of_tailnets(load_text: Load) -> None:
    (tailnet,) = load_text("tailnets: []", TS_API_KEY="hunter2").tailnets

    assert tailnet.discovered


def test_an_address_without_credentials_makes_no_tailnet() -> None:
    environ = {"TS_BASE_URL": "http://127.0.0.1:8080", "TS_TAILNET": "example.com"}

    assert load(environ=environ).settings.tailnets == ()


def test_tailscales_variables_fill_in_what_the_one_tailnet_leaves_out(load_text: Load) -> None:
    (tailnet,) = load_text(
        "tailnets: [{name: a.ts.net, tailnet: mine}]",
        TS_API_KEY="hunter2",
        TS_TAILNET="other",
        TS_BASE_URL="https://b.example.com",
    ).tailnets

    assert tailnet.name == "a.ts.net"
    assert tailnet.tailnet == "mine"
    assert tailnet.base_url == "https://b.example.com"
    assert tailnet.credentials.api_key is not None


@pytest.mark.parametrize(
    "text",
    [
        "tailnets: [{name: a.ts.net, credentials: {directory: /x}}]",
        "tailnets: [{name: a.ts.net, controlPlane: LocalAPI}]",
        "tailnets: [{name: a.ts.net}, {name: b.ts.net}]",
    ],
)
def test_tailscales_variables_leave_other_tailnets_alone(load_text: Load, text: str) -> None:
    with_them = load_text(text, TS_API_KEY="hunter2", TS_TAILNET="x")

    assert with_them == load_text(text)


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"TS_API_CLIENT_ID": "kid"},
            (
                "TS_API_CLIENT_ID is set without TS_API_CLIENT_SECRET (tailnets[0].credentials). "
                "Set TS_API_CLIENT_SECRET too."
            ),
        ),
        (
            {"TS_API_CLIENT_SECRET": "hunter2"},
            (
                "TS_API_CLIENT_SECRET is set without TS_API_CLIENT_ID (tailnets[0].credentials). "
                "Set TS_API_CLIENT_ID too."
            ),
        ),
        (
            {"TS_API_CLIENT_ID": "kid", "TS_API_CLIENT_SECRET": "hunter2", "TS_API_KEY": "hunter2"},
            (
                "TS_API_KEY and TS_API_CLIENT_ID and TS_API_CLIENT_SECRET are set together "
                "(tailnets[0].credentials). Keep one: an API key, an OAuth client or a folder."
            ),
        ),
        (
            {
                "TAILNET_DISCOVERY_TAILNETS_0_NAME": "a.ts.net",
                "TAILNET_DISCOVERY_TAILNETS_0_CREDENTIALS_JWT_FILE": "/x",
            },
            (
                "TAILNET_DISCOVERY_TAILNETS_0_CREDENTIALS_JWT_FILE is set without "
                "TAILNET_DISCOVERY_TAILNETS_0_CREDENTIALS_CLIENT_ID (tailnets[0].credentials). "
                "Set TAILNET_DISCOVERY_TAILNETS_0_CREDENTIALS_CLIENT_ID too."
            ),
        ),
    ],
)
def test_half_set_credentials_name_the_missing_variable(
    environ: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        load(environ=environ)

    assert raised.value.problems == (problem,)


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAILNET_DISCOVERY_INSTANCE", "blue")

    assert load().settings.instance == "blue"
