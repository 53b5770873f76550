"""The proof that the log holds each message once: `content` hashes rows, `messages`, `spans` count, `links` chain, and
`files` holds each data file against its own statistics.
"""
