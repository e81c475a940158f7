"""Evidence: what a tailnet has shown that a removal can rest on.

A list alone proves little: a device that is missing from it, or looks different in it, is asked for
by itself, and its own answer must say the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Network, IPv6Network

from discovery.plan.gate import exclusion
from discovery.plan.losses import Listed, Loss, RemovalCause
from discovery.tailnet import Device

QUESTIONS_PER_POLL = 20
"""Devices that are asked for by themselves after one poll; the others wait for later polls."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a tailnet's losses.

    ``fetched_at`` is when the verified list was fetched, None before the first. ``current`` says
    that the last poll brought it, ``disproved`` that a device which it lacks was there when asked,
    ``complete`` that each of its entries could be told apart. ``askable`` tells whether the control
    plane can be asked for one device; ``answers`` hold what it said, None where it has no such
    device. ``missing`` are the tagged nodes that the tailnet lost where those are too many to be
    believed, else none. ``leading`` says that no other replica can be writing any more.
    """

    fetched_at: datetime | None = None
    interval: timedelta = timedelta(minutes=1)
    current: bool = True
    disproved: bool = False
    complete: bool = True
    askable: bool = True
    answers: Mapping[str, Device | None] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    leading: bool = True

    @property
    def counts(self) -> bool:
        """Whether the list may be counted as a confirmation."""
        return self.complete and not self.disproved

    @property
    def open_questions(self) -> tuple[str, ...]:
        """Nodes of a loss of the tailnet that the control plane has not denied by themselves."""
        return tuple(
            sorted(n for n in self.missing if n not in self.answers or self.answers[n] is not None)
        )

    def confirms(
        self, loss: Loss, listed: Listed, denied: tuple[IPv4Network | IPv6Network, ...]
    ) -> bool:
        """Tell whether the device's own answer says the same as the list."""
        if loss.node_id not in self.answers or self.fetched_at is None:
            return False
        answer = self.answers[loss.node_id]
        if loss.cause is RemovalCause.ABSENT or answer is None:
            # A device that is gone altogether is no endpoint whatever the list says of it.
            return answer is None
        device = listed.devices.get(loss.node_id)
        reason = exclusion(answer, denied, self.fetched_at)
        return (
            device is not None
            and answer.tags == device.tags
            and reason is listed.excluded.get(loss.node_id)
        )
