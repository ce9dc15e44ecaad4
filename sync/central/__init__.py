"""The centre's end: what every device agrees with. One process with a file, or several nodes over one PostgreSQL.

app           the server process, TLS, and the service as an ASGI application; the only importer of the web framework
connection    one connection: bytes of HTTP to requests as values and back, and how long each may take
endpoints     the addresses: from a request as a value to a response as a value, errors as problems; without a network
secured       TLS of one connection, with little memory for each that waits
waiting       calls of many gathered into few pieces of work; one look at the clock for all who wait
openapi       the protocol for programs, made from the structs
centre        the centre as an object: what a program that fills or runs it does, and what each call does
parts         what all calls share; how a body becomes a value
gate          who asks, and may they: signatures, sessions, replays, states, roles
alerts        what a person should know of a device, an agent or a channel
enrolment     devices: states, roles, what each role may ask for
device_rows   devices as they are stored, lives of their outboxes, how far each is
hellos        a session for a device that may have one; and that a device is out
pushes        operations in, forks and clones, custody
apply         operations: each applied exactly once, for ever, or held for a person
lending       what the centre lends to stores, so that they may act alone
pulls         a page now or held; how far each device is
feed          what changed in a scope since a cursor, where histories part; the bell that ends a long poll
wants         customers on demand, repair by bucket, snapshots handed out
interests     which scopes hold which customers, until when
snapshots     scopes written whole, in parts
snapshot_rows snapshots and their parts as they are stored
inbox         operations that wait for a person, and what was decided
capsules      what bands are to carry, signed
bands         proves a band for a device that has no key of it
band_rows     bands as they are stored: which chip is in which
touches       the link a band shows to a telephone: one page for all, its cryptogram judged
spares        bands an encoder station made, and which store may link the sealed ones
denials       the deny list of bands, signed and dated
leases        keys of bands, sealed for a session
pages         one site for agents outside the stores
erasure       a customer erased, and which devices have not heard of it
erasure_notes notes of erasures, sealed, held by every device for after a copy of the database is put back
erasure_ledger the file of a node that keeps them beside its database
erasing_again whoever was erased since that copy was made, erased again
mentions      where somebody who is erased is spoken of in the bytes of events, however spelled
watch         who waits in each channel, told to every counter; alarms
channels/     what other systems send, in their own shapes; one file an adapter
channels_file the file that says which channels there are, and with which secrets
in_site       the addresses other systems deliver to
intake        what they deliver, verified, kept, and taken in once for ever
events        what they sent, kept with what became of it
retention     how long the bytes of what they sent are kept, and what is said of them when they go
taking        what each fact becomes: rows, and whose
outcomes      what an event is kept under, what became of it, when it is tried again; pure
told_shapes   what a fact says as a record says it, pure
foreseeing    what taking facts will mostly ask for, to read it all at once
identity      who somebody is: records of other systems, found, and linked by what they share
contact_terms contact points and names as terms, in which they are compared
canonical     who is whom now, and which records one customer is
suggestions   two who may be one: suggested to a clerk, declined, asked again
joining       two made one, and taken apart
forgetting    a customer forgotten but for digests, by which nobody makes them again
performing    what of an operation only the centre can do: customers joined, redirected, conversations closed
handles       a code that was shown after a tap and sent to us proves whose handle it is
told          what each record tells of a customer, kept as that record's word
joins         what a joined customer shows
folding       how the rows of two customers go together and apart
importing     files of records, taken in from where they were left
fetching      mail brought in from mailboxes
positions     how far each channel was read that we read ourselves
lines         the tables events are taken into, as a transaction keeps them: read together, written at once
threads       which contacts wait for an answer, written into their rows
brand         how the shop is called, where it is, and how it signs what it writes
outward       all that goes out of one node, in threads of its own
outgoing      messages to customers on their way; the only importer of the HTTP client
outgoing_rows the queue of messages, and what became of each
composing     from a message in the queue to what is sent: to whom, which way, under which rules
mail          mail servers; the only importer of their clients
changes       what other systems may need to know, noted with what changed, and a queue for each of them
telling       changes on their way
suppressions  who must not be advertised what
out_site      what mailing tools fetch
senders/      ways out: one file a vendor
housekeeping  what is done now and then
counters      what is counted
batch         many writers, one transaction
store         the database, opened: one moment read, all or nothing written
moment        reads, all of one moment
transaction   writes, all or nothing: kept in memory, written in few statements
undo          changes in memory that can be taken back
scopes        scopes, and where each row stands in those that hold it
doc_rows      rows of the model as they are stored, and as a device is sent them
op_rows       operations as they are stored, each with its result
schema        the tables themselves, by numbered migrations
sql           SQLite and PostgreSQL as one port; the only importer of their drivers
errors        what can go wrong with the database beyond what every store knows
ports         what the centre needs from others, as Protocols over bytes
"""
