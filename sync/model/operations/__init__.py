"""What can be done, one file a kind: its arguments, the rows it needs to see, and what it does to them.

record_interaction   a contact of a customer with us happened, in or out
hand_over_pickup     a parcel went out over the counter
note_case            somebody wrote something down about a case, promised, or solved it

Everything here is pure and runs at both ends. Three rules hold for every kind:

- Applying an operation twice is the same as once: what it makes has an id that follows from the operation's id, and
  what it changes says which operation changed it.
- An operation touches only rows of its own owner. Another owner's row becomes a case, never a change.
- Only rows that changed are returned, with the version they had: the centre counts it.
"""
