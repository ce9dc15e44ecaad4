"""Who is probably the same person though no verified point says so: suggestions for a clerk, never a merge by themselves.

model      the model: what is compared, how it is trained, which pairs are likely and why; the only importer of Splink and DuckDB
model.json the weights that were trained on made-up people, for shops with too few customers to train their own
people     a centre's customers as records to compare; what was found, written down as suggestions
nicknames  whether two given names can be one person's; pure
measure    how right and how complete pairs are, where the truth is known; pure
"""
