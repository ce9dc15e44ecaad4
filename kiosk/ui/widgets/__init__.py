"""Small parts of several screens.

plain_text     shows text as text, whatever it looks like
touch_button   a button a finger finds: three rows and a border
canvas         draws whole pages line by line, without anything to lay out
strip          the staff strip: reader, network, age, what is not settled
"""
