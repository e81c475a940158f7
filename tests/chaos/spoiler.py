"""Who makes the faults of a chaos run: in lists, in single answers, and before the API server."""

from contextlib import suppress
from typing import TYPE_CHECKING

from tests.chaos.crew import Worker
from tests.chaos.deck import Deck
from tests.chaos.lies import CHANGES, lie
from tests.chaos.trouble import CUTS, OF_ANSWERS, OF_API_SERVER, OF_LISTS, rule
from tests.controlplane.proxy import FaultProxy

if TYPE_CHECKING:
    from tests.chaos.driver import Driver


class Spoiler:
    """Faults of the device API last one poll, those before the API server until all are stopped.

    ``told`` says what was done since it was last looked at.
    """

    def __init__(self, driver: "Driver") -> None:
        self.told: list[str] = []
        self._driver = driver
        self._random = driver.random
        self._lists = Deck(OF_LISTS, self._random)
        self._lies = Deck(CHANGES, self._random)
        self._answers = Deck(OF_ANSWERS, self._random)
        self._api_server = Deck(OF_API_SERVER, self._random)
        self._troubled: set[int] = set()  # slots whose proxy makes faults

    def spoil(self, leader: Worker) -> None:
        """Choose faults for the next poll."""
        driver, random = self._driver, self._random
        driver.state.faults.clear()
        driver.tap.lie = None
        if random.random() < 0.65:
            self._spoil_list()
        if random.random() < 0.3:
            kind = self._answers.deal()
            driver.state.faults.add(rule(kind, "device", random))
            driver.report.answer_faults[kind] += 1
            self.told.append(f"answers {kind}")
        if random.random() < 0.3:
            self._spoil_api_server(leader)

    def stop(self) -> None:
        """Let everything be right again, but for a controller that is cut off."""
        driver = self._driver
        driver.state.faults.clear()
        driver.tap.lie = None
        for slot in self._troubled - {driver.disruptions.cut_off_slot}:
            driver.proxies[slot].clear()
            cut(driver.proxies[slot])
        self._troubled.clear()

    def _spoil_list(self) -> None:
        driver = self._driver
        if self._random.random() < 0.65:
            kind = self._lists.deal()
            driver.state.faults.add(rule(kind, "device-list", self._random))
            driver.report.list_faults[kind] += 1
            self.told.append(f"list {kind}")
            return
        kind = self._lies.deal()
        driver.tap.lie = lie(kind, self._random)
        driver.report.lies[kind] += 1
        self.told.append(f"list with {kind}")

    def _spoil_api_server(self, leader: Worker) -> None:
        driver = self._driver
        others = driver.crew.others(leader)
        # What a waiting controller sees matters when it comes to lead.
        worker = others[0] if others and self._random.random() < 0.3 else leader
        if worker.slot == driver.disruptions.cut_off_slot:
            return
        kind = self._api_server.deal()
        proxy = driver.proxies[worker.slot]
        proxy.clear()
        proxy.add(*OF_API_SERVER[kind](self._random))
        if kind in CUTS:
            cut(proxy)
        self._troubled.add(worker.slot)
        driver.report.api_faults[kind] += 1
        self.told.append(f"API server of {worker.role.identity}: {kind}")


def cut(proxy: FaultProxy) -> None:
    """Reset every connection; one that is closing at this moment has no socket any more."""
    with suppress(AttributeError):
        proxy.cut()
