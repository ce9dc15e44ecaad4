"""Both ends in one process, with clock, network, disk and chance in its hands: a seed decides everything that happens.

timeline   virtual time: an event loop that jumps, and clocks over it
knobs      what is made small meanwhile, and threads that are none
chance     what a seed decides, by name
network    the way between a kiosk and the centre, with everything that becomes of a call
floor      the shop's own network: its relay, and each kiosk among the others of its store
skew       programs of several versions at once
shop       the customers and rows there are, and what people do
forgotten  who was erased, and who can still know it
vendor     another system, that tells the centre what happens elsewhere
nodes      the two ends as machines that are started, killed, set back and copied
checks     what must hold at every moment, and once all is healed
world      one run: the actions, the checks, the hash of all events
report     many runs, and what is said of them
"""
