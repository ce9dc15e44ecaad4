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
ntag424        an NTAG 424 DNA from plain values: files, keys, settings, counters
ntag424_chip   the same while a field powers it; its commands are also in ntag424_authentication, ntag424_iso
ntag424_core   what those commands share: statuses, session, the file as a reader sees it
sdm            what it puts into a file while the file is read
lrp            the leakage resilient primitive, and messages with it
type2          pages, locks and ACKs every Type 2 chip has
ntag21x        NTAG213, 215 and 216: password, counter, signature, mirrors
ultralight_c   Ultralight C: pages behind a 3DES key
ultralight_aes Ultralight AES: pages behind AES keys, messages with a MAC, one-way counters
originality    signatures over a UID by published test keys
felica         a FeliCa Lite-S: its number and open blocks
classic        a MIFARE Classic behind a reader that knows its cipher
phone          telephones and a bank card
uid_bands      bands with nothing but a UID worth reading, and odd UIDs
catalogue      one band of each kind, by name, with published keys
iso_dep        a chip under ISO 14443-3 and -4: request, select, RATS, blocks
hsu            frames of the PN532's serial line
pn532          a PN532 on a pseudo terminal: its line, and what goes wrong on it
pn532_chip     what a PN532 does with the commands of its host
vpcd           a contactless PC/SC reader's card, joined to a vpcd slot
private_pcscd  a PC/SC daemon of one's own, with a vpcd slot, for tests and benches
power          a disk that loses power, fills up, fails and is slow; power.c beside it is what is preloaded
faults         bands that tear, fall silent, lie or answer late
"""
