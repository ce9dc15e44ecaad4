"""What both ends share, pure: no file, no socket, no clock in here.

records      what the shop knows, one immutable struct a kind
row          a record with its key, owner, version, age and source; unknown rows
operation    an intent recorded once, and what a kind of operation declares
operations/  one file a kind: which rows it needs and what it does to them, the same code at both ends
registry     the kinds this version knows
ledger       what can be redeemed, how its free amount moves, and what is lent of it
versions     which version of the program is older
forms        which form a body is written in, and how a newer one becomes an older one
rules        what each assurance may do, and the shop's rules
contacts     contact values as they are compared
conversation what opens, continues, answers and closes a conversation
profile      all rows of one customer, as a screen needs them
promises     what we promised on a case, and what became of each
checklist    what a case needs, has and misses, and what was tried
spans        how a length of time is said, and how late something is: one rule for every page
card         the hand-over card: what whoever serves a customer next must know, on one screen
deny         the deny list of bands: signed, dated, of keyed hashes
sins         counts the three sins: asked twice, unanswered, contradictions
watch        who waits for us, and how each channel does
gist         a customer's thread in a few words, for the capsule on their band
thread_parts the facts among them, and the bytes they take there
wire         what goes over the network: requests, rows, and the page of a pull
answers      the other answers as lines, written and read
sums         the sum and the buckets by which both ends find out whether they hold the same
snapshot     one part of a snapshot, packed and opened
session_mac  the signature of a request within a session, in the one form we write
signatures   who sent a request (RFC 9421), and the key both ends agree on
ports        the Transport both ends talk through
errors       everything that can go wrong with the centre or the store
"""
