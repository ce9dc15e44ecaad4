"""What a band carries and how it is protected; pure: bytes and values in, bytes and values out.

layout   where things stand on a band of ours: application, files, key slots, rights; band ids
kdf      keys from keys: AN10922 diversification, session keys of EV1 and EV2
session  secure messaging: what is sent and received after an authentication
capsule  what a band says of its wearer, signed: made, checked, laid out so that a torn write leaves none
cbor     the one way a capsule is written in bytes, and a decoder that takes no other
"""
