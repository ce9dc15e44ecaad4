"""One file a vendor: how it signs and packs what it sends, so that every adapter meets the same bad input.

Each has a `VENDOR`; `tests.support.deliveries` finds it by the name of its file.
"""
