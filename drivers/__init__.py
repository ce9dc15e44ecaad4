"""How a band is read: readers, chips, what an exchange proved, and what a band carries.

README.md is its page for programs of others: examples, chips, errors, how to add to it.

errors       everything that can go wrong with a reader or a band
status       what a status word means, in words: the one table
target       a band in the field, as a reader sees it
proof        what an exchange established
apdu         command and response bytes, status words
atr          the answer to reset, parsed
tlv          blocks in the memory of Type 2 and the container of Type 4 bands, parsed
ndef         NDEF messages, parsed and written
connection   the seam between chip and reader
transcript   recorded exchanges: the connection that replays and refuses what was not recorded
ports        what drivers need from others: keys
lines        what the reader process says and is told, one value a line
pump         the loop of the reader process
checks       what can be wrong with the reader that is meant, in one line each
credential/  pure: band layout, key derivation, secure messaging
chips/       one file a chip family
readers/     PC/SC, PN532 and keyboards behind one Protocol; what is known of each model
"""
