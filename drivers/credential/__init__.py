"""What a band carries and how it is protected; pure: bytes and values in, bytes and values out.

layout   where things stand on a band of ours: application, files, key slots, rights; band ids
kdf      keys from keys: CMAC, AN10922 diversification, session keys of EV1 and EV2
des      the same for DES keys, which a chip has when it leaves its factory
handshake  the reader's half of every DESFire authentication, as sums with a cipher that may be far away
afar     the authentications that whoever keeps the key answers from elsewhere
session  secure messaging: what is sent and received after an authentication
witness  what a band remembers of its own use, and what follows for a shop that heard nothing of it
places   where things stand on a band of ours that is no DESFire
lrp      the leakage resilient primitive of an NTAG 424 in its LRP mode
lrp_session  its authentication and messaging
mful     the MACs of an Ultralight AES
sdm      SUN messages: found in a link, verified, judged by their counter
sdm_file  how a file of an NTAG 424 is set up to carry one
originality  the maker's signature of a UID
capsule  what a band says of its wearer, signed: made, checked, laid out so that a torn write leaves none
cbor     the one way a capsule is written in bytes, and a decoder that takes no other
"""
