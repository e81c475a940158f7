"""Tags on a tailnet become live backends in a cluster.

Read in this order: :mod:`discovery.tailnet` (what a tailnet is), :mod:`discovery.v1alpha1` (what a
user asks for), :mod:`discovery.plan` (what follows from the two), :mod:`discovery.reconciler` (one
pass, top to bottom). Everything else feeds those or carries their result away.
"""

__version__ = "0.1.0"
