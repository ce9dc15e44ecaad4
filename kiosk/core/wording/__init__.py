"""Every sentence on screen or spoken, in every language, under an id that says where it is used.

    saying      a sentence before it has a language: its id and the values in it
    voice       a saying in a language: the one place where dates, money and local time become words
    filling     values put into a sentence, with one full stop at its end
    catalogue   all areas together, and what each language is called
    customer    what customers read
    spoken      what is said aloud, one sentence a state
    fault_lines what staff read of a fault: what, and what to try
    staff_en    what staff read at the counter

A row of an area has the languages side by side, in the order of `catalogue.LANGUAGES`.
"""
