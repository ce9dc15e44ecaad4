"""Shows, and decides nothing; the only importer of Textual.

app        the kiosk's app: one screen, mounted once
bridge     performs what a visit decides, and tells it what happened
counter_app  the counter's app, for a device of its own
crash      what happens when the program fails: out of order, no names, a non-zero status
messages   what enters the screens from outside
picture    a screen as SVG
themes     day, night and high contrast
views/     CustomerView and CounterView: plain widgets that receive values and send messages
screens/   a thin screen around each view
widgets/   PlainText, TouchButton, and what else several views use
demo_shell/ the demo's three columns: ticker, kiosk, counter, and the trap
styles/    one style sheet an area
"""
