"""The kiosk's end: what this device holds, what it still has to tell the centre, and how both get there.

store      the two encrypted files; the only importer of the database library
pages      pages of an encrypted file by their MAC; one flipped bit turned back
wal        what a log says was committed, to notice what was left out of it
feed       a page of changes becomes rows and a cursor, at once or not at all
snapshot   a scope whole, from parts, taken up again where it was cut off
reading    which rows this program reads, and those a program before it could not
view       unsettled operations folded over the rows, by the code the centre runs
lookup     from a band to its owner and their profile;  open_things  of whom something is open, for a list
drafts     what a clerk was writing and has not recorded
find       customers by name, phone, e-mail, order number, case number or band
recorder   from an act of somebody here to operations: judged, kept, taken back, settled
outbox     operations recorded here, oldest first, none lost
op_keys    which of them need to see which rows
peer_ops   what the store's other devices did that this one's feed has not brought yet
peers      this device among the others of its store, in a thread of its own
relay      the mailbox of a store: one order for what its devices do
relay_app  the mailbox on the shop's network; beside the centre's the only importer of the web server
relay_client one call to the mailbox, checked whole
part_cache parts of snapshots a relay keeps for the other devices of its store
near_parts a snapshot whose parts are asked for in the shop first
relay_wire what goes over the shop's network between the two
leases     the keys of bands that are lent to this store
band_auth  what the centre answers when it proves a band for this device
band_line  proofs of bands, on a connection of their own
deny       the deny list of bands this device holds
capsules   which capsules are known to be on which bands
torn       uses that may stand on a band and are recorded nowhere yet
lease      how long the cache may be shown after the centre was last heard
erased     who was forgotten, told to a centre that may not know it any more
told       what the last hello said of this program, kept for the next start
erase      what is gone leaves no byte: rows, customers, a whole cache, a whole device
ballast    room on the disk that is given up so that what people do can still be recorded
upkeep     index, lease, erasure and ballast, a short piece at a time
terms      what can be searched for, as terms
typos      words that were meant
client     one call to the centre, signed and checked whole
transport  HTTP over the network; stream  its connections, straight from the event loop
tls        which certificates of a centre count
schedule   how long to wait after a failure
engine     what to do next, as a pure step
work       what each step does: calls, and what their answers write here
progress   how far something long is, for a bar
runner     does what the engine says, in its own thread; answers what people ask
report     how a device and its centre stand, for whoever asks from outside
switch     a transport that can be cut, for the demo and for tests
"""
