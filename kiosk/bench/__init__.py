"""Measurements: each bench measures beside a baseline in the same run, and says both.

figures   samples to medians, and how they are printed
tap       our time for one tap on a virtual PN532 and on vpcd, beside the same exchanges sent raw
tap_raw   the same exchanges without our drivers
tap_peers the same tap by nfcpy's tag layer and by libfreefare
air       the least time the air takes
rig       the virtual readers of a bench, in a process of their own
screen    from the message that a band was recognised to the bytes on a terminal
search    a search at every keystroke and the look-up of a tap, in caches of growing size
sync      a first sync by pages and by snapshot, and what a kiosk at the head costs, beside plain SQLite
sync_kiosk    one kiosk of it, in a process of its own
sync_goals    what its figures are held to, scaled to this machine or not
pouchdb   the same by PouchDB from npm, where node is; pouchdb.js is its side, pouchdb.json what npm installs
profiles  the made-up rows it syncs
known_people  made-up customers as channels know them, with the truth of who is one person
fleet     thousands of held polls at one centre, waking them all, and all of them coming back at once
centre    events of other systems in, out to a store, a customer's page, and who is who
postgres  a PostgreSQL server for one run
certificate   a certificate for this machine's own address, made for one run

A bench is a module with a function `measure(..., runs) -> Mapping[str, Figure]`; `tapthread bench NAME` calls it.
"""
