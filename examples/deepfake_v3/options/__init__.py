"""What each command can be told: one file a command, and nothing that computes.

Help and wrong options load nothing else. May import from `checks`, `errors`.
"""
