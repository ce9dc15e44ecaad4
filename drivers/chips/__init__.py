"""What can be learned of a band, chip by chip.

Files:
    framing    native DESFire commands over a connection: wrapping, additional frames, limits
    desfire    DESFire EV1 to EV3: select, authenticate, read and write files, transactions
    desfire_setup  what only an issuing station asks of one: applications, files, keys, settings
    witness    a band as witness of its own use: what each chip can, and the one transaction that adds a use
    ntag424    NTAG 424 DNA in AES and in LRP mode: the same, SUN messages, keys and settings
    ultralight_aes  Ultralight AES: authenticate, pages with MACs, one-way counters, protection
    ultralight_c    Ultralight C: authenticate with 2K3DES, pages, its counter
    ntag21x    NTAG 21x and Ultralight EV1: signature, password, counter of readings
    type2      what every Type 2 band answers; NDEF in its pages
    type3      Type 3 bands: NDEF in the open blocks of a FeliCa
    type4      Type 4 bands and telephones: NDEF in a file
    felica     FeliCa: who it says it is, blocks that are free to read
    message    the NDEF message of whatever lies there
    counting   uses counted by a one-way counter, where there is nothing better
    unissued   tells a band of ours that has no id: retired, or begun and not whole
    uid_only   bands that can only be known by their UID
    identify   which chip this may be, from what the reader saw
    reading    one band, read with the fewest exchanges security allows
    reading_ntag424  the same for an NTAG 424 DNA
    reading_pages    the same for a band of pages: Ultralight AES and C, NTAG 21x
    capsule_places  where it stands on bands that are no DESFire
    witnessing a use told to the reader process, carried out on the band that is there
    afterwards what is done with a band after its page is shown: proved from afar, its capsule renewed
    capsules   renewing the capsule on a band, after the page is shown
"""
