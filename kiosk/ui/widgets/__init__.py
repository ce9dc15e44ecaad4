"""Small parts of several screens.

plain_text     shows text as text, whatever it looks like
touch_button   a button a finger finds: three rows and a border
page_item      one block of a customer's page: three rows, and a digit when there is more
strip          the staff strip: reader, network, age, what is not settled
"""
