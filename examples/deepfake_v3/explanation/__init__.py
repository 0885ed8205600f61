"""Which places of an image a verdict depends on, and a picture of it.

May import from `errors`, `files`, `loading`, `mirror`, `evaluation`, `training`,
`prediction`.
"""
