"""What can be done, one file a kind: its arguments, the rows it needs to see, and what it does to them.

record_interaction   a contact of a customer with us happened, in or out
open_case            a customer told us about a problem
note_case            somebody wrote something down about a case, promised, or solved it
promise_answer       one of us promises an answer, by name and time
keep_promise         what was promised on a case is done, and the case goes on
need_fact            something must be known before a case can go on
tell_fact            a customer told us something a case needs
try_remedy           something is tried to solve a case; struck out where it failed twice
serve_customer       somebody of us is with a customer now
leave_customer       they are no longer
refer_customer       a customer is sent to a store, with the card
take_referral        the store takes them, or has done it
hand_over_pickup     a parcel went out over the counter
redeem               points, a use of an entitlement, or a piece of a stock go to a customer
correct_stock        somebody counted a shelf, or could not find a thing
link_band            a band becomes a customer's
unlink_band          a band is nobody's any more
block_band           a band is lost: it opens nothing
unblock_band         it was found
set_pin              a customer gets a PIN at the counter, with their ID seen
try_pin              somebody typed it: right or wrong
prove_handle         a customer sends us a code from where they write to us
request_erasure      a customer wants what we know of them deleted
set_consent          a customer agreed to something, or withdrew it
answer_interaction   somebody answers a customer, in the customer's channel
notify_customer      the shop tells a customer something
take_back_answer     undoes an answer or a notice that has not gone out
take_back_note       undoes a note or a contact
take_back_case       undoes the opening of a case
take_back_fact       undoes what was written on a case's checklist
take_back_referral   undoes a referral, or that it was taken
take_back_pickup     undoes a hand-over
take_back_redeem     undoes a redemption
take_back_stock      undoes a count or a doubt
join_customers       two customers are one person
unjoin_customers     they are two after all
decline_likeness     two who look alike are two people
void_operation       a person settled a held operation otherwise

Everything here is pure and runs at both ends. A kind is one file with a KIND in it; the registry finds it. Four rules hold
for every kind:

- Applying an operation twice is the same as once: what it makes has an id that follows from the operation's id, and
  what it changes says which operation changed it.
- An operation touches only rows of its own owner. Another owner's row becomes a case, never a change; but what is gone is
  gone (a parcel, a redeemed point) and what protects somebody (a block) protects them whoever pressed.
- Only rows that changed are returned, with the version they had: the centre counts it.
- Undo is a compensating operation that names the one it undoes. It finds out by itself whether that one was applied, and
  one that comes after its undo changes nothing.
"""
