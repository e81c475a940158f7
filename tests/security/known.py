"""The secrets that tests use in processes of their own, where no hook learns them."""

from collections.abc import Mapping
from typing import Final

from discovery.simulator import credentials
from tests.controlplane.access import USERS

KNOWN: Final[Mapping[str, str]] = {
    "the API key of the simulator": credentials.API_KEY,
    "the client secret of the simulator": credentials.CLIENT_SECRET,
    "the identity token of the simulator": credentials.IDENTITY_TOKEN,
    "a token of the simulator": "tskey-api-kTOKEN",
    "a webhook secret of the simulator": "tskey-webhook-kHOOK",
    **{f"the API server's token of {name}": f"token-of-{name}" for name in USERS},
}
"""By their names; of those that the simulator numbers, what all begin with."""
