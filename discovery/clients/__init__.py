"""Whatever is asked over a wire or read from a file: control planes, inventories, the cluster.

Each client turns bytes into the values of :mod:`discovery.tailnet` once, at the edge, and every
failure into an error of :mod:`discovery.clients.errors`. A failure never looks like absence.
"""
