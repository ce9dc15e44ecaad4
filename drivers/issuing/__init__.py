"""Writes bands: at encoder stations only, and not in the kiosk's wheel.

errors      what can go wrong beside what drivers and the disk say
ports       what it needs from others: keys, and files that only grow
plan        what every band of a shop gets, as TOML
sheet       the bands to issue, one a line of CSV, and the report of what became of them
numbering   which numbers bands without a sheet have; none is on two labels
journal     what was begun and done to which band, append-only; no keys in it
label       what is printed on a band or its packet: a short code and a QR picture
steps       what an issue does, in order, in words; the dry run
desfire     how a DESFire is issued, verified, read and retired, from wherever it stands
ntag424     the same for an NTAG 424 DNA
ultralight_aes  the same for an Ultralight AES
station     one band after the other on a reader
carried     what is said of the capsule on a band
telling     what a band with our keys says, in lines and in fields
looking     what a band says to a person without a plan
"""
