from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from discovery.settings import (
    ConfigError,
    ControlPlane,
    ListenAddress,
    ListenSettings,
    LogFormat,
    LogLevel,
    Settings,
    TailnetSettings,
    load,
)
from discovery.v1alpha1_fields import Mode, RemovalPolicy

Load = Callable[..., Settings]
Problems = Callable[..., tuple[str, ...]]

EVERYTHING = """
instance: blue
mode: Observe
logging: {level: debug, format: console}
listen: {health: "127.0.0.1:0", metrics: "[::1]:9090"}
deniedCIDRs: [10.42.0.0/16]
tailnets:
- name: company.ts.net
  controlPlane: Tailscale
  baseURL: https://api.example.com/
  tailnet: example.com
  domains: [company.ts.net, old.ts.net]
  credentials: {directory: /etc/tailnet-discovery/company}
  pollInterval: 1m30s
  tagKeys: [env, service-type]
  grants:
  - {namespaces: [production], tags: ["tag:env-production", "tag:service-*"]}
  removal: {policy: Approve, maxPercent: 20, confirmations: 5, tailnetMaxPercent: 40}
"""


def test_every_key_of_the_file_arrives(load_text: Load) -> None:
    settings = load_text(EVERYTHING)
    (tailnet,) = settings.tailnets
    (grant,) = tailnet.grants or ()

    assert (settings.instance, settings.mode) == ("blue", Mode.OBSERVE)
    assert (settings.logging.level, settings.logging.format) == (LogLevel.DEBUG, LogFormat.CONSOLE)
    assert settings.listen.health == ("127.0.0.1", 0)
    assert settings.listen.metrics == ("::1", 9090)
    assert str(settings.listen.metrics) == "[::1]:9090"
    assert settings.denied_cidrs == (IPv4Network("10.42.0.0/16"),)
    assert tailnet.base_url == "https://api.example.com"
    assert tailnet.tailnet == "example.com"
    assert tailnet.domains == ("company.ts.net", "old.ts.net")
    assert tailnet.credentials.directory == Path("/etc/tailnet-discovery/company")
    assert tailnet.poll_interval == timedelta(seconds=90)
    assert tailnet.tag_keys == ("env", "service-type")
    assert grant.namespaces == ("production",)
    assert grant.tags == ("tag:env-production", "tag:service-*")
    assert tailnet.removal.policy is RemovalPolicy.APPROVE
    assert tailnet.removal.max_percent == 20
    assert tailnet.removal.confirmations == 5
    assert tailnet.removal.tailnet_max_percent == 40


def test_a_name_is_enough_for_a_tailnet(load_text: Load) -> None:
    (tailnet,) = load_text("tailnets: [{name: company.ts.net}]").tailnets

    assert tailnet.control_plane is ControlPlane.TAILSCALE
    assert tailnet.base_url == "https://api.tailscale.com"
    assert tailnet.tailnet == "-"
    assert tailnet.domains == ("company.ts.net",)
    assert tailnet.poll_interval == timedelta(seconds=60)
    assert tailnet.grants is None
    assert tailnet.removal.policy is RemovalPolicy.CONFIRM
    assert tailnet.removal.max_percent == 30
    assert tailnet.removal.confirmations == 3
    assert tailnet.removal.tailnet_max_percent == 50
    assert not tailnet.discovered


def test_an_empty_file_is_all_defaults(load_text: Load) -> None:
    assert load_text("") == load_text("# nothing\n") == Settings()


def test_keys_without_a_value_count_as_left_out(load_text: Load) -> None:
    assert load_text("logging:\ntailnets:\n") == Settings()


def test_empty_grants_grant_nothing(load_text: Load) -> None:
    (tailnet,) = load_text("tailnets: [{name: a.ts.net, grants: []}]").tailnets

    assert tailnet.grants == ()


def test_local_api_has_a_socket_by_default(load_text: Load) -> None:
    (tailnet,) = load_text("tailnets: [{name: a.ts.net, controlPlane: LocalAPI}]").tailnets

    assert tailnet.base_url == "unix:///var/run/tailscale/tailscaled.sock"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "instnce: x",
            "unknown key instnce (td.yaml:1). Did you mean instance?",
        ),
        (
            "tailnets:\n- name: a.ts.net\n  pollIntervall: 60s",
            "unknown key tailnets[0].pollIntervall (td.yaml:3). Did you mean pollInterval?",
        ),
        (
            "tailnets: [{name: a.ts.net, poll_interval: 60s}]",
            "unknown key tailnets[0].poll_interval (td.yaml:1). Did you mean pollInterval?",
        ),
        (
            "logging: {zzz: 1}",
            "unknown key logging.zzz (td.yaml:1). Known here: format, level.",
        ),
        (
            "logging: {level: verbos}",
            'logging.level: "verbos" is unknown (td.yaml:1). Use debug, info, warning or error.',
        ),
        (
            "tailnets: [{name: a.ts.net, controlPlane: tailscale}]",
            (
                'tailnets[0].controlPlane: "tailscale" is unknown (td.yaml:1). '
                "Did you mean Tailscale? Use Tailscale, Headscale, LocalAPI or File."
            ),
        ),
        (
            "instance: a\nmode: Observe\ninstance: b",
            (
                "instance is given twice (td.yaml:3). "
                "It stands in line 1 already: keep one of the two."
            ),
        ),
        (
            "1: x",
            "a key of the file is no text (td.yaml:1). Put it in quotes.",
        ),
        (
            "- x",
            "the configuration is no mapping (td.yaml:1). Begin with a key: value line.",
        ),
        (
            "instance: &a x\nmode: *a",
            "the file is no usable YAML: found an alias (td.yaml:2). Correct that line.",
        ),
        (
            "instance: x\n---\ninstance: y",
            (
                "the file is no usable YAML: but found another document (td.yaml:2). "
                "Correct that line."
            ),
        ),
        (
            "instance: Blue",
            (
                'instance: "Blue" is no name (td.yaml:1). '
                "Use lower-case letters, digits and dashes, at most 63."
            ),
        ),
        (
            "instance: 0b_",
            (
                'instance: "0b_" is no name (td.yaml:1). '
                "Use lower-case letters, digits and dashes, at most 63."
            ),
        ),
        (
            "deniedCIDRs: [~]",
            (
                "deniedCIDRs[0] is no network (td.yaml:1). "
                "Write a network such as 10.42.0.0/16 or fd00:10::/48."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, baseURL: 'https://[x'}]",
            (
                "tailnets[0].baseURL is no URL (td.yaml:1). "
                "Write one such as https://api.tailscale.com."
            ),
        ),
        (
            "instance: 12",
            "instance: 12 is no text (td.yaml:1). Put it in quotes.",
        ),
        (
            "logging: loud",
            'logging: "loud" is no mapping (td.yaml:1). Write its keys below it, indented.',
        ),
        (
            "deniedCIDRs: 10.42.0.0/16",
            (
                'deniedCIDRs: "10.42.0.0/16" is no list (td.yaml:1). '
                "Write one entry in each line, after a dash."
            ),
        ),
        (
            "deniedCIDRs: [10.42.0.1/16]",
            (
                'deniedCIDRs[0]: "10.42.0.1/16" has bits set behind its prefix (td.yaml:1). '
                "Write 10.42.0.0/16 if that is meant."
            ),
        ),
        (
            "deniedCIDRs: [pods]",
            (
                'deniedCIDRs[0]: "pods" is no network (td.yaml:1). '
                "Write a network such as 10.42.0.0/16 or fd00:10::/48."
            ),
        ),
        (
            'listen: {health: "8080"}',
            (
                'listen.health: "8080" is no listening address (td.yaml:1). '
                'Write HOST:PORT, or ":8080" for every address.'
            ),
        ),
        (
            'listen: {health: ":65536"}',
            (
                'listen.health: ":65536" is no listening address (td.yaml:1). '
                'Write HOST:PORT, or ":8080" for every address.'
            ),
        ),
        (
            "tailnets:\n- controlPlane: Tailscale",
            (
                "tailnets[0].name is missing (td.yaml:2). "
                "Write what spec.tailnet of the resources says, as in company.ts.net."
            ),
        ),
        (
            'tailnets: [{name: ""}]',
            (
                "tailnets[0].name is empty (td.yaml:1). "
                "Write what spec.tailnet of the resources says, as in company.ts.net."
            ),
        ),
        (
            "tailnets: [{name: Company.ts.net}]",
            (
                'tailnets[0].name: "Company.ts.net" is no domain name (td.yaml:1). '
                "Write it in lower case, as in company.ts.net."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, pollInterval: 60}]",
            (
                "tailnets[0].pollInterval: 60 is no duration (td.yaml:1). "
                'Write a number with a unit (ms, s, m, h), as in "60s".'
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, pollInterval: 999ms}]",
            (
                'tailnets[0].pollInterval: "999ms" is outside 1s to 1h (td.yaml:1). '
                "Use 60s unless a quota says otherwise."
            ),
        ),
        (
            'tailnets: [{name: a.ts.net, tagKeys: ["tag:env"]}]',
            (
                'tailnets[0].tagKeys[0]: "tag:env" is a tag, not a key (td.yaml:1). '
                "Write env for tags such as tag:env-production."
            ),
        ),
        (
            'tailnets: [{name: a.ts.net, tagKeys: ["service type"]}]',
            (
                'tailnets[0].tagKeys[0]: "service type" is no tag key (td.yaml:1). '
                "Write a letter, then letters, digits and dashes, as in service-type."
            ),
        ),
        (
            'tailnets: [{name: a.ts.net, grants: [{tags: ["tag:*-web"]}]}]',
            (
                'tailnets[0].grants[0].tags[0]: "tag:*-web" is no tag (td.yaml:1). '
                "Write tag:NAME; a * is allowed at the end only."
            ),
        ),
        (
            'tailnets: [{name: a.ts.net, grants: [{namespaces: ["*-x"]}]}]',
            (
                'tailnets[0].grants[0].namespaces[0]: "*-x" is no namespace (td.yaml:1). '
                "Write its name; a * is allowed at the end only."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, grants: [{tags: []}]}]",
            (
                "tailnets[0].grants[0].tags is an empty list (td.yaml:1). "
                "Leave the key out, or name something."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, grants: [{}]}]",
            "tailnets[0].grants[0] grants everything (td.yaml:1). Write namespaces, tags, or both.",
        ),
        (
            "tailnets:\n- name: a.ts.net\n  grants:\n",
            (
                "tailnets[0].grants has no value (td.yaml:3). "
                "Leave the key out to grant everything, write [] to grant nothing."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, removal: {maxPercent: 101}}]",
            (
                "tailnets[0].removal.maxPercent: 101 is outside 1 to 100 (td.yaml:1). "
                "Write a number within."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, removal: {confirmations: true}}]",
            (
                'tailnets[0].removal.confirmations: "true" is no number (td.yaml:1). '
                "Write a whole number."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, tailnet: a/b}]",
            (
                'tailnets[0].tailnet: "a/b" has a form that is not allowed (td.yaml:1). '
                "Write one word."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, controlPlane: Headscale}]",
            (
                "tailnets[0] has no baseURL, which Headscale needs (td.yaml:1). "
                "Write one such as https://HOST."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, controlPlane: File}]",
            (
                "tailnets[0] has no baseURL, which File needs (td.yaml:1). "
                "Write one such as file:///etc/devices.json."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, controlPlane: File, baseURL: 'https://x'}]",
            "tailnets[0] has a baseURL that File can not have (td.yaml:1). Begin it with file://.",
        ),
        (
            "tailnets: [{name: a.ts.net, controlPlane: File, baseURL: 'file://x'}]",
            "tailnets[0] has a baseURL without a path (td.yaml:1). Write file:///PATH.",
        ),
        (
            "tailnets: [{name: a.ts.net, baseURL: 'https:///x'}]",
            "tailnets[0] has a baseURL without a host (td.yaml:1). Write one such as https://HOST.",
        ),
        (
            "tailnets: [{name: a.ts.net, baseURL: api}]",
            (
                "tailnets[0].baseURL is no URL (td.yaml:1). "
                "Write one such as https://api.tailscale.com."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net, baseURL: 'https://x?y=1'}]",
            (
                "tailnets[0].baseURL has a query or fragment (td.yaml:1). "
                "Write scheme, host and path only."
            ),
        ),
        (
            "tailnets: [{name: a.ts.net}, {name: a.ts.net, domains: [b.ts.net]}]",
            "tailnets has a.ts.net 2 times (td.yaml). Give every tailnet a name of its own.",
        ),
        (
            "tailnets: [{name: a.ts.net}, {name: b.ts.net, domains: [b.ts.net, a.ts.net]}]",
            (
                "tailnets has the domain a.ts.net in 2 tailnets (td.yaml). "
                "A device's name must say which tailnet it belongs to."
            ),
        ),
    ],
)
def test_a_mistake_is_one_line(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == (problem,)


def test_all_mistakes_are_named_at_once(problems: Problems) -> None:
    assert len(problems("instance: B\nmode: x\ntailnets:\n- name: a.ts.net\n  x: 1\n")) == 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "td.yaml", environ={})

    assert raised.value.problems == (
        (
            "the configuration file can not be read: No such file or directory "
            f"({tmp_path}/td.yaml). Name a readable file with --config or TAILNET_DISCOVERY_CONFIG."
        ),
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xff\xfe\xff", "the configuration file is no UTF-8 text"),
        (b" " * 1024 * 1025, "the configuration file is larger than 1 MiB"),
        (b"a: \x00", "the file is no usable YAML: it holds a character that YAML does not allow"),
        (b"[" * 100_000, "the file is no usable YAML: it is nested too deeply"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "td.yaml").write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        load(tmp_path / "td.yaml", environ={})

    assert str(raised.value).startswith(f"{problem} ({tmp_path}/td.yaml). ")


def test_a_password_in_a_url_is_refused_without_repeating_it(problems: Problems) -> None:
    assert problems("tailnets: [{name: a.ts.net, baseURL: 'https://u:hunter2@x'}]") == (
        (
            "tailnets[0].baseURL holds a user name or password (td.yaml:1). "
            "Put credentials under credentials."
        ),
    )


@pytest.mark.parametrize("key", ["apiKey", "clientID", "clientSecret", "jwtFile"])
def test_only_a_directory_of_credentials_may_stand_in_the_file(
    problems: Problems, key: str
) -> None:
    said = problems(f"tailnets:\n- name: a.ts.net\n  credentials: {{{key}: hunter2}}")

    assert said[0] == (
        f"tailnets[0].credentials.{key} must not stand in a file (td.yaml:3). "
        "Write {directory: FOLDER}, or set it in the environment."
    )
    assert "hunter2" not in "".join(said)


def test_values_of_their_own_type_are_taken_as_they_are() -> None:
    settings = Settings(
        listen=ListenSettings(health=ListenAddress("", 0)),
        denied_cidrs=(IPv4Network("10.0.0.0/8"),),
        tailnets=(TailnetSettings(name="a.ts.net", poll_interval=timedelta(seconds=1)),),
    )

    assert settings.listen.health.port == 0
    assert settings.denied_cidrs == (IPv4Network("10.0.0.0/8"),)
    assert settings.tailnets[0].poll_interval == timedelta(seconds=1)
