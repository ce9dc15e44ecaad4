"""Readers behind one Protocol, each in the only module that touches its library.

Files:
    opening    from a name in the settings to a reader
    base       the Protocol, and what all readers hold to
    pcsc       PC/SC readers through `smartcard.scard`
    pn532      a PN532 on a serial port, opened by nfcpy
    pn532_targets  the lists of bands it answers with, as values
    host_line  commands and answers on that port, as bytes
    wedge      a reader that is a keyboard, through evdev
    profiles   what is known of each model, from hardware/profiles
    signals    light and sound of each model, as bytes
    frames     frames of bands without ISO-DEP through each PC/SC model, as bytes
    crc        the CRC of type A, where a reader leaves it to us
    port_lock  a serial port held by one program at a time
"""
