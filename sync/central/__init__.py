"""The centre's end: what every device agrees with. One process, one folder, embedded SQLite.

app         the HTTP service: limits, signatures, sessions, answers; the only importer of the web framework
centre      the centre as an object: rows, devices, chips, and what each call does; without a network
gate        who asks, and may they: signatures, sessions, replays, states, roles
apply       operations: each applied exactly once, for ever, or held for a person
feed        what changed in a scope since a cursor; the bell that ends a long poll
enrolment   devices: states, roles, what each role may ask for
batch       many writers, one transaction
store       tables, statements, migrations; the only importer of sqlite3 here
ports       what the centre needs from `drivers.credential`, as a Protocol over bytes
"""
