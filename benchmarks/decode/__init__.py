"""Decoding a device list: time and memory."""
