"""What other systems send us, in their own shapes: one file an adapter, a mapping to the same few facts.

facts      what any channel can tell, as values: somebody spoke, something was bought, a stock moved
adapter    what an adapter is; where they are found by name
registry   all adapters by name
parts      what several of them need: signatures, vendors' JSON that says where it is wrong, times, money, text from markup
shopify    web shop: orders, parcels, customers, stock, products
"""
