"""What can be learned of a band, chip by chip.

Files:
    framing    native DESFire commands over a connection: wrapping, additional frames, limits
    desfire    DESFire EV1 to EV3: select, authenticate, read and write files, transactions
    desfire_setup  what only an issuing station asks of one: applications, files, keys, settings
    witness    a band as witness of its own use: what each chip can, and the one transaction that adds a use
    uid_only   bands that can only be known by their UID
    identify   which chip this may be, from what the reader saw
    reading    one band, read with the fewest exchanges security allows
    capsules   renewing the capsule on a band, after the page is shown
"""
