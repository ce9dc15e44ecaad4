"""What people look at, as plain widgets that receive values and send messages.

customer         the customer's side: one view, its pages filled in place
customer_sheets  how each of its faces looks on a grid, pure
counter          the clerk's side
counter_acts     what is done from a customer's page, each after one question
counter_base     what every act needs
counter_drafts   notes and answers begun there
counter_find     its search
counter_late     how many wait too long in all stores
counter_presence that the others see with whom the clerk is
counter_settling what is not settled, and what a person decides about it
counter_waiting  the list of who waits for us
counter_writing  notes and answers, as they are written
"""
