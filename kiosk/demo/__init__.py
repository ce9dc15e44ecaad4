"""The seeded brand and its people, as pure functions of a given time, and the view that shows them.

bands          the bands people wear in the demo, and the test keys they are encoded with
virtual_bands  the same bands as virtual chips
catalogue      stores, staff, products, prices and stock
people         the people of the stories with their whole threads
crowd          everybody else
threads        how a demo time is said ("last Friday, 17:00") and a row is put together
brand          all rows together, and which store is interested in whom

Nothing in here does I/O: the same time gives the same brand, wherever it is asked for.
"""
