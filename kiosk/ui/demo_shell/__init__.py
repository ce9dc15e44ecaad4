"""The demo's three columns: what all channels hear, the customer's kiosk, the counter.

app        the demo as one app; its keys
controls   what the shell needs of the demo that runs it, as a Protocol
alt_keys   makes Alt with a digit arrive as that, in every terminal
ticker     the other channels as they come, and the scoreboard of the three sins
trap       the same tap where channels are not connected
"""
