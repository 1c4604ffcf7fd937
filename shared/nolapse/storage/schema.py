"""Which schema this code needs; a test holds it to the last migration. A newer one serves it too: migrations only add
what the code before them does without.
"""

HEAD = "0031"
