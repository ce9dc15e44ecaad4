"""Virtual bands and readers, written from the chip's side and without our drivers, so that they can disagree with them.

band           what every virtual band and every powered chip can do
field          which bands lie on the readers, and who wants to hear of a change
desfire        a DESFire EV1, EV2 or EV3 from plain values: applications, keys, files
desfire_chip   the same while a field powers it; its commands are in
               desfire_authentication, desfire_administration, desfire_files, desfire_iso
desfire_core   what those commands share: statuses, session, frames, transaction
desfire_memory what a DESFire keeps without a field, and changes not committed yet
messaging      secure messaging as the chip does it: D40, EV1, EV2
des            DES and triple DES, and key versions in parity bits
uid_bands      bands with nothing but a UID worth reading: NTAG213-like and Classic-like
iso_dep        a chip under ISO 14443-3 and -4: request, select, RATS, blocks
hsu            frames of the PN532's serial line
pn532          a PN532 on a pseudo terminal
vpcd           a contactless PC/SC reader's card, joined to a vpcd slot
private_pcscd  a PC/SC daemon of one's own, with a vpcd slot, for tests and benches
power          a disk that loses power, fills up, fails and is slow; power.c beside it is what is preloaded
faults         bands that tear, fall silent, answer late or wrongly
"""
