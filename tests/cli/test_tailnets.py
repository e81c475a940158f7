"""From settings to sources."""

from datetime import timedelta
from pathlib import Path

from discovery.cli.tailnets import INVENTORY_INTERVAL, open_sources
from discovery.settings import Settings, TailnetSettings

FLEET = Path(__file__).parents[2] / "fixtures" / "tailnet" / "devices.json"


async def intervals(settings: Settings) -> list[timedelta]:
    async with open_sources(settings, [FLEET]) as sources:
        return [source.interval for source in sources]


async def test_an_inventory_has_the_poll_interval_of_the_tailnet_that_it_is_of() -> None:
    tailnet = TailnetSettings.model_validate({"name": "company.ts.net", "pollInterval": "5m"})
    assert await intervals(Settings(tailnets=(tailnet,))) == [timedelta(minutes=5)]


async def test_an_inventory_of_no_configured_tailnet_has_an_interval_of_its_own() -> None:
    assert await intervals(Settings()) == [INVENTORY_INTERVAL]
