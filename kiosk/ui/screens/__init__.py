"""Thin screens, one around each view.

customer   the customer's screen
counter    the counter's screen
hand_over  the one question before a parcel goes out
alike      whether two customers are one person
choice     one of several things, and a line about it: where to send a customer, until when to promise what
remedy     what was tried, and whether it helped
set_pin    a PIN for a customer whose ID was seen
settle     the question about something that is not settled
"""
