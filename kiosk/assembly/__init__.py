"""Builds the product out of its parts, real or simulated; the only package that knows every concrete class.

device        one data folder opened: identity, files, keys
evidence      what a reader established, as evidence; what the reader process is given for it
recognising   from evidence to the customer's page, from local data alone
relay         this device among the others of its store
syncing       the sync of a device with its centre, in threads of their own
reading       a reader process, and what is done with a band on it after its page is shown
standing      how a device stands with the world
desk          what a counter can ask and do
screens       what the screens are made of
"""
