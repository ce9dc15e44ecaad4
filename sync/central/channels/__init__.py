"""What other systems send us, in their own shapes: one file an adapter, a mapping to the same few facts.

facts      what any channel can tell, as values: somebody spoke, something was bought, a stock moved
adapter    what an adapter is; where they are found by name
registry   all adapters by name
names      how the options and secrets of each are written, so that a misspelt one is told
parts      what several of them need: signatures, vendors' JSON that says where it is wrong, times, money, text from markup
shopify    web shop: orders, parcels, customers, stock, products
chatwoot   helpdesk and chat: messages, notes, solved conversations, contacts
twilio     telephone: calls, messages by SMS and WhatsApp, voice mail
table      CSV and NDJSON in bulk: a fact a row
pos        the CSV of a till: receipts
files      files of records, taken apart so that each stands alone
email      e-mail as it comes out of a mailbox: letters, automatic replies, reports of mail servers
app        our own event API: facts as JSON, signed
cloudevents  any other system: facts as the data of CloudEvents
woocommerce, odoo   web shop; orders, tickets, stock and partners of an ERP
zendesk, zammad     helpdesks: tickets as cases, and what was written in them
whatsapp, meta      messages straight from Meta: WhatsApp; Messenger and Instagram
tiktok, x           direct messages; posts that name us
asterisk, reviews   call records; what customers wrote in public
"""
