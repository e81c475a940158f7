"""The flight recorder: what tailnets said and what each pass made of it, to be replayed.

:mod:`~discovery.recorder.recording` writes while the program runs, :mod:`~discovery.recorder.ring`
keeps the files within their bound, :mod:`~discovery.recorder.replaying` makes each recorded
decision again, with no network and no configuration.
"""

from discovery.recorder.recording import Recorder
from discovery.recorder.ring import FORMAT, Ring

__all__ = ["FORMAT", "Recorder", "Ring"]
