"""What the shop knows, and how it agrees with the centre: operations up, rows down.

model/     shared by both ends, pure: records, operations, rules, wire, signatures, errors
edge/      the kiosk's end: two files, look-up, outbox, view, feed, client, engine
central/   the centre's end: the HTTP service, its store, applying operations, the feed of a scope, devices
README.md  the protocol between the two ends, state by state and byte by byte
"""
