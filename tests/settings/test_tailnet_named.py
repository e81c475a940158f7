import pytest

from discovery.settings import ConfigError, Settings, TailnetSettings

A = TailnetSettings(name="a.ts.net")
B = TailnetSettings(name="b.ts.net", domains=("b.ts.net", "old.ts.net"))


def test_the_only_tailnet_needs_no_name() -> None:
    assert Settings(tailnets=(A,)).tailnet_named(None) is A


def test_a_tailnet_is_found_by_name_and_by_domain() -> None:
    settings = Settings(tailnets=(A, B))

    assert settings.tailnet_named("b.ts.net") is B
    assert settings.tailnet_named("old.ts.net") is B


def test_a_tailnet_without_a_name_yet_answers_to_any() -> None:
    discovered = TailnetSettings(name="")

    assert Settings(tailnets=(discovered,)).tailnet_named("x.ts.net") is discovered


@pytest.mark.parametrize(
    ("tailnets", "name", "problem"),
    [
        (
            (),
            None,
            (
                "no tailnet is configured (tailnets). Set TS_API_CLIENT_ID and "
                "TS_API_CLIENT_SECRET, or name a file with --config."
            ),
        ),
        (
            (A, B),
            None,
            (
                "several tailnets are configured (tailnets). "
                "Choose one with --tailnet: a.ts.net, b.ts.net."
            ),
        ),
        (
            (A, B),
            "c.ts.net",
            "the tailnet c.ts.net is not configured (--tailnet). Configured: a.ts.net, b.ts.net.",
        ),
    ],
)
def test_no_choice_is_one_line(
    tailnets: tuple[TailnetSettings, ...], name: str | None, problem: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        Settings(tailnets=tailnets).tailnet_named(name)

    assert str(raised.value) == problem
