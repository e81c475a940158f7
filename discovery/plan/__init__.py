"""The plan: from a snapshot and a resource to what should be, and to the difference from what is.

Pure. No I/O, no clock, no randomness, no logging: time is an argument, inputs are never edited, and
the same input gives the same bytes. Whatever a pass decides can therefore be replayed.
"""
