"""Ways out of the centre: one file a vendor, each a mapping from a message or a change to calls, and from answers to outcomes.

sender        what a sender is, and the values it takes and gives
registry      which sender a configured channel has, and which channel a message goes through
smtp          e-mail
whatsapp      WhatsApp Cloud API: text, and templates after 24 hours
chatwoot      Chatwoot: a message in a conversation, a private note beside it
twilio        text messages
shopify       write-back to the web shop: stock, pick-ups, returns
cloud_event   a change as a signed CloudEvent, for everything else

Nothing here touches a network, a clock or a database: `sync.central.outgoing` carries the calls, `sync.central.mail` the mails.
"""
