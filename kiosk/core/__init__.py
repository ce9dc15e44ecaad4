"""Decides, and touches nothing: no thread, no loop, no library.

visit     what a visit does next: a pure state machine
policy    how sure we are who this is, from evidence
carried   what a band says of its wearer, where this device knows nothing of them
page      from rows to what one page says
faults    from error to what customer, staff and log are told
foreign   making text from outside safe to show
ports     what the screens need from the rest of the product
counter   from rows to a clerk's page: counter_now (what matters), counter_thread (what was told, all contacts),
          counter_card (the hand-over card), counter_answer (what can be answered, and what became of it),
          counter_open (who waits for us), counter_keys (what can be pressed there)
pin_digits which digits can be a PIN
promising until when a clerk can promise something
settling  what staff can do about something that is not settled
entries   one line of the counter, and what every line is made with
strip     the staff strip in one line
staff_words  sentences, moments, spans and money for staff
ticker    what the demo hears of all channels;  trap  the shop without connected channels
wording/  every sentence on screen or spoken, by language
"""
