"""Pages of the centre for people outside the stores: agents of a call centre, a social team, a partner.

What they may is little: find one customer by facts only that customer or their order tells, read, note, promise, keep it, write down
what was told, and send the customer to a store. There is no list of everybody, no export, and no customer in an address.
Everything works without a script, but for the drafts; and nothing on a page comes from elsewhere.

site       the addresses: from a request to a page; who may, and what is refused
agents     people who sign in: their names, passwords, lock-outs and browsers
finding    whom an agent may find by what, and who looked at whom
drafts     what an agent was typing and has not sent
acting     a form as an operation, applied as any other
waiting    who waits for us, for the list that says so
showing    rows of a customer as what a page says
browsers   bodies, cookies and headers as browsers have them
templates  what the pages look like, with `style.css`
"""
