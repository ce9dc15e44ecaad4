"""Small parts of several screens.

plain_text     shows text as text, whatever it looks like
touch_button   a button a finger finds: three rows and a border
canvas         draws whole pages line by line, without anything to lay out
keypad         ten digits three rows high, for a PIN
card_rows      the hand-over card in the room there is
entry_list     lines of the counter: a sign, a label, a text that wraps beside it
key_bar        the keys that do something now, each with its word
note           where a clerk writes a note, and who will read it
notice         one line that says what just happened
strip          the staff strip: reader, network, age, what is not settled
"""
