"""The kiosk's end: what this device holds, what it still has to tell the centre, and how both get there.

store      the two encrypted files; the only importer of the database library
wal        what a log says was committed, to notice what was left out of it
feed       a page of changes becomes rows and a cursor, at once or not at all
view       unsettled operations folded over the rows, by the code the centre runs
lookup     from a band to its owner and their profile
find       customers by name, phone, e-mail, order number, case number or band
outbox     operations recorded here, oldest first, none lost
leases     the keys of bands that are lent to this store
client     one call to the centre, checked whole; the only importer of the HTTP library
schedule   how long to wait after a failure
engine     what to do next, as a pure step
runner     does it, in its own thread
switch     a transport that can be cut, for the demo and for tests
"""
