"""Readers behind one Protocol, each in the only module that touches its library.

Files:
    opening   from a name in the settings to a reader
    base      the Protocol, and what all readers hold to
    pcsc      PC/SC readers through `smartcard.scard`
    pn532     a PN532 on a serial port through nfcpy's transport
"""
