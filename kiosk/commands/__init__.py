"""One file a command, found by name and imported on use; each has a function `run`.

demo      everything on one machine          tap       one tap as JSON
virtual   virtual readers and bands          seed      the demo's centre and one kiosk's cache
central   the centre alone                   reader    one reader, values as lines
kiosk     the customer screen                counter   the counter screen
bench     measurements                       picture   a screen as SVG
sync      one exchange with the centre       options   the options every command takes
own_files this device's files, or why not    running   a reader and a terminal for those that need them
simulate  both ends under faults that a seed decides   inbox   what waits at the centre, settled
band      issuing bands, checking, reading, retiring and replacing them; band_station does it
doctor    what is wrong with the reader or this machine, and what mends it
agent     people outside the stores who sign in to the centre's pages, and whom they looked at
card      the hand-over card of a customer, printed
channel   the other systems that send to the centre, and what became of what they sent
outgoing  what goes out of the centre, what did not, and sending it again
watch     who waits for an answer in which channel
erase     customers who asked to be forgotten, forgotten everywhere
likeness  customers who are probably one person
central_import a file of records into a channel of the centre
counting  how many of something, in words
naming    whom a text on the command line of a centre means
progress_line  how far something long is, on a terminal or in plain lines
"""
