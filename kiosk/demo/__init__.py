"""The seeded brand and its people, and the house that runs them.

bands          the bands people wear in the demo, and the test keys they are encoded with
virtual_bands  the same bands as virtual chips
catalogue      stores, staff, products, prices and stock
people         the people of the stories with their whole threads
crowd          everybody else
threads        how a demo time is said ("last Friday, 17:00") and a row is put together
brand          all rows together as they are to be, and which store is interested in whom
channels       the other systems the brand has, and their test secrets
letters        what those send, in their own shapes
telling        which of it tells the brand's rows, and the few rows that no channel tells
seeding        the brand as a centre, devices, a pulled cache and leased keys in a folder
live           what happens in the other channels while the demo runs
vendors        plays Meta, Chatwoot, Twilio, a mail server and Shopify on loopback, for what goes out
stage          the shop a scene is played in
scenes         what happens in each scene of the tour, and its captions
tour           the tour as text
guide          the tour in the running demo, a key a step
in_process     a transport that calls the centre in this process, for seeding
wrist          holds a virtual band to the reader until it was read
house          centre, virtual reader, kiosk and counter, started and stopped together

Up to `brand` nothing does I/O: the same time gives the same brand, wherever it is asked for.
"""
