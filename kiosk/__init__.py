"""What people see, touch and decide with; puts the parts together.

cli          the `tapthread` command
commands/    one file a command
demo/        the seeded brand and its people, the three-column view
bench/       one file a bench
assembly/    builds the product out of its parts, real or simulated; a file for each
doctor       what every package's checks found, as lines and as one object
links        the reader process and virtual devices, as this process sees them
band_keys    the brand's own band keys, in two files beside the centre
band_keys_token   the same in a PKCS#11 token, which lets none of them out
station_keys the keys of an encoder station
proving      bands whose key is not here, proved through the centre while they are on the reader
vouched      which bands the centre proved in their present tap
witnessing   using something with the customer's band as witness
pins         PINs of customers: hashed, judged, locked
capsules     which capsules are believed, and which bands are brought a younger one
capsule_signing  the brand's key for capsules, in a file beside them
ui/          shows; only importer of Textual
core/        decides; touches nothing
settings     every setting: type, unit, default, where its value came from
"""
