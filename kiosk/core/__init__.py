"""Decides, and touches nothing: no thread, no loop, no library.

visit     what a visit does next: a pure state machine
policy    how sure we are who this is, from evidence
page      from rows to what one page says
faults    from error to what customer, staff and log are told
foreign   making text from outside safe to show
ports     what the screens need from the rest of the product
wording/  every sentence on screen or spoken, by language
"""
