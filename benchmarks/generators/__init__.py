"""Generators that a detector has never seen, and photographs that were only resized.

`windows.py` has the images, `fronts.py` what is counted in them, `verdicts.py` how a
verdict follows, `protocol.py` leaves one generator out, `table.py` writes the result.
"""
