"""Thin screens, one around each view.

customer   the customer's screen
counter    the counter's screen
hand_over  the one question before a parcel goes out
alike      whether two customers are one person
promise    until when a customer is promised what
refer      sends a customer on to another store, with the card
remedy     what was tried, and whether it helped
set_pin    a PIN for a customer whose ID was seen
settle     the question about something that is not settled
"""
